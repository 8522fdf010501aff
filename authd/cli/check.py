"""`authd check FILE`: every error and warning of a settings file, line by line."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from authd.cli.shared.live import add_config_option
from authd.cli.shared.output import (
    add_output_option,
    counted,
    print_json,
    print_text,
    problem_as_json,
    problem_as_text,
    visible,
)
from authd.config.document.decoding import MAX_BYTES, source_lines
from authd.config.document.problems import MAX_REPORTED, InvalidSettings
from authd.config.load import load_settings
from authd.config.manifests import Embedded, embedded_rules, embedded_settings, rule_problems
from authd.config.rules.validity import time_warnings
from authd.config.settings import Loaded, Settings
from authd.core.arn import PrincipalArn, PrincipalKind
from authd.core.errors import ConfigError, Problem
from authd.partition_data import load_partitions

_USABLE, _WARNED, _UNUSABLE = 0, 1, 2

_DESCRIPTION = """\
Print every error and warning that the daemon would find in a settings file. The file may also be the manifest of a
ConfigMap that holds the settings or the rules of aws-auth. A rule that has ended, or ends within a week, gives a
warning. If the certificate in the settings' state directory is readable, print also whether
kube-apiserver would refuse it.
"""
_EPILOG = """\
examples:
  authd check /etc/authd/config.yaml
  authd check --strict --output json mapping.yaml && kubectl apply -f mapping.yaml
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """The result for one file. `loaded` is None if the file can't be used. `note` is printed first."""

    file: str
    loaded: Loaded | None
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    lines: Sequence[str] = ()
    note: str = ""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd check`."""
    parser = subparsers.add_parser(
        "check",
        help="print every error and warning of a settings file",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", metavar="FILE", nargs="*",
        help="a settings file, or a ConfigMap manifest with settings; without any, that of --config",
    )  # fmt: skip
    add_config_option(parser)
    parser.add_argument("--strict", action="store_true", help="exit with 1 if there are warnings")
    add_output_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check the files, print the results, and return the worst exit status."""
    reports = [_examine(file) for file in args.files or [args.config]]
    if args.output == "json":
        results = [_as_json(report) for report in reports]
        print_json(results if len(results) > 1 else results[0])
    else:
        print_text("\n".join(map(_as_text, reports)))
    return max(_status(report, strict=args.strict) for report in reports)


def _status(report: _Report, *, strict: bool) -> int:
    if report.loaded is None:
        return _UNUSABLE
    return _WARNED if strict and report.warnings else _USABLE


def _examine(file: str) -> _Report:
    try:
        with Path(file).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        problem = Problem(file=file, line=0, column=0, message=f"can't be read: {error.strerror or error}")
        return _Report(file=file, loaded=None, errors=(problem,))
    text = data.decode("utf-8-sig", "replace")
    report = _load(data, file, source_lines(text))
    return report if report.loaded is not None or "ConfigMap" not in text else _examine_manifest(text, report)


def _load(data: bytes, file: str, lines: Sequence[str]) -> _Report:
    try:
        loaded = load_settings(data, file=file, partitions=load_partitions())
    except InvalidSettings as error:
        return _Report(file=file, loaded=None, errors=error.problems, warnings=error.warnings, lines=lines)
    except ConfigError as error:
        return _Report(file=file, loaded=None, errors=error.problems)
    if missing := tuple(_missing_packages(loaded.settings, file)):
        return _Report(file=file, loaded=None, errors=missing, warnings=loaded.warnings, lines=lines)
    times = sorted(time_warnings(loaded.table.rules(), time.time()), key=lambda problem: problem.line)
    warnings = (*loaded.warnings, *times, *_certificate_warnings(loaded.settings, file))
    return _Report(file=file, loaded=loaded, warnings=warnings, lines=lines)


def _examine_manifest(text: str, report: _Report) -> _Report:
    """Return the report of the settings or rules in a ConfigMap, or the given report if there are none."""
    found = embedded_settings(text)
    if found is not None:
        file = report.file if found.exact else f"{report.file}, data / {found.key}"
        inner = _load(found.text.encode(), file, report.lines if found.exact else source_lines(found.text))
        return replace(inner, note=_note(report.file, found))
    rules = embedded_rules(text)
    if not rules:
        return report
    problems = [rule_problems(part, report.file, load_partitions(), time.time()) for part in rules]
    errors = tuple(error for each in problems for error in each.errors())
    warnings = tuple(warning for each in problems for warning in each.warnings())
    return replace(report, errors=(*report.errors, *errors), warnings=warnings)


def _note(file: str, found: Embedded) -> str:
    name = f" {visible(found.name)}" if found.name else ""
    return (
        f"{visible(file)}: this is a manifest of the ConfigMap{name}: the settings are under data / "
        f"{visible(found.key)}, from line {found.line + 1}; the daemon reads them from the mounted file"
    )


def _missing_packages(settings: Settings, file: str) -> Iterator[Problem]:
    """Yield an error if the settings need packages that this installation lacks."""
    if settings.tracing is None:
        return
    try:
        from authd.daemon.tracing.tracing import require_packages
    except ModuleNotFoundError:
        return  # the base installation, for laptops, has no daemon
    try:
        require_packages()
    except ConfigError as error:
        yield from (replace(problem, file=file, message=str(problem)) for problem in error.problems)


def _certificate_warnings(settings: Settings, file: str) -> Iterator[Problem]:
    try:
        from authd.cli.shared.certificate_check import certificate_warnings
    except ModuleNotFoundError:
        return  # the base installation, for laptops, has neither the daemon's packages nor a certificate
    for message in certificate_warnings(settings, datetime.now(UTC)):
        yield Problem(file=file, line=0, column=0, message=message)


def _as_json(report: _Report) -> dict[str, object]:
    return {
        "file": report.file,
        "usable": report.loaded is not None,
        "errors": [problem_as_json(problem) for problem in report.errors],
        "warnings": [problem_as_json(problem) for problem in report.warnings],
        **({"note": report.note} if report.note else {}),
    }


def _as_text(report: _Report) -> str:
    parts = [
        *([report.note] if report.note else []),
        *(problem_as_text(problem, "error", report.lines) for problem in report.errors),
        *(problem_as_text(problem, "warning", report.lines) for problem in report.warnings),
        _summary(report),
    ]
    return "\n".join(parts)


def _summary(report: _Report) -> str:
    file, warnings = visible(report.file), _reported(report.warnings, "warning")
    if report.loaded is None:
        return f"{file}: not usable: {_reported(report.errors, 'error')}, {warnings}"
    table = report.loaded.table
    subjects = [rule.subject for rule in table.exact.values()]
    users = sum(isinstance(each, PrincipalArn) and each.kind is not PrincipalKind.ROLE for each in subjects)
    roles = len(subjects) - users + len(table.patterns)
    rules = f"{counted(roles, 'role rule')}, {counted(users, 'user rule')}, {counted(len(table.accounts), 'account')}"
    return f"{file}: usable: {rules}; {warnings}"


def _reported(problems: Sequence[Problem], noun: str) -> str:
    return f"more than {MAX_REPORTED} {noun}s" if len(problems) > MAX_REPORTED else counted(len(problems), noun)
