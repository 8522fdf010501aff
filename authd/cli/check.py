"""`authd check FILE`: what the daemon would say of a settings file, line by line."""

from __future__ import annotations

import argparse
import json
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from authd.config.document.decoding import MAX_BYTES, source_lines
from authd.config.load import load_settings
from authd.config.problems import MAX_REPORTED, InvalidSettings
from authd.config.settings import Loaded, Settings
from authd.core.arn import PrincipalArn, PrincipalKind
from authd.core.errors import ConfigError, Problem
from authd.partition_data import load_partitions

_USABLE, _WARNED, _UNUSABLE = 0, 1, 2

#: How much of a source line is shown on either side of the place in question.
_SHOWN_BEFORE, _SHOWN_AFTER = 60, 40

_DESCRIPTION = """\
Print every error and warning of a settings file as the daemon would see it. Where the certificate in its state
directory can be read, say also if kube-apiserver would refuse that.
"""
_EPILOG = """\
examples:
  authd check /etc/authd/config.yaml
  authd check --strict --output json mapping.yaml && kubectl apply -f mapping.yaml

exit status: 0 usable, 1 usable with warnings (only with --strict), 2 not usable or not readable
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """What is to be said of one file; `loaded` is None if it can't be used."""

    file: str
    loaded: Loaded | None
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    lines: Sequence[str] = ()


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `authd` command line."""
    parser = subparsers.add_parser(
        "check",
        help="print every error and warning of a settings file",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="the settings file")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if there are warnings")
    parser.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="for people (text, the default) or programs"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check `args.file`, print what was found, and return the exit status."""
    report = _examine(args.file)
    print(_as_json(report) if args.output == "json" else _as_text(report))
    if report.loaded is None:
        return _UNUSABLE
    return _WARNED if args.strict and report.warnings else _USABLE


def _examine(file: str) -> _Report:
    lines: Sequence[str] = ()
    try:
        with Path(file).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        lines = source_lines(data.decode("utf-8-sig", "replace"))
        loaded = load_settings(data, file=file, partitions=load_partitions())
    except OSError as error:
        problem = Problem(file=file, line=0, column=0, message=f"can't be read: {error.strerror or error}")
        return _Report(file=file, loaded=None, errors=(problem,))
    except InvalidSettings as error:
        return _Report(file=file, loaded=None, errors=error.problems, warnings=error.warnings, lines=lines)
    except ConfigError as error:
        return _Report(file=file, loaded=None, errors=error.problems)
    warnings = (*loaded.warnings, *_certificate_warnings(loaded.settings, file))
    return _Report(file=file, loaded=loaded, warnings=warnings, lines=lines)


def _certificate_warnings(settings: Settings, file: str) -> Iterator[Problem]:
    try:
        from authd.cli.certificate_check import certificate_problem, exposed_keys
    except ModuleNotFoundError:
        return  # a laptop's installation has no daemon, whose packages this needs, and no certificate
    if problem := certificate_problem(settings, datetime.now(UTC)):
        yield Problem(file=file, line=0, column=0, message=problem)
    if exposed := exposed_keys(settings):
        yield Problem(file=file, line=0, column=0, message=exposed)


def _as_json(report: _Report) -> str:
    return json.dumps(
        {
            "file": report.file,
            "usable": report.loaded is not None,
            "errors": [_problem_as_json(problem) for problem in report.errors],
            "warnings": [_problem_as_json(problem) for problem in report.warnings],
        },
        indent=2,
    )


def _problem_as_json(problem: Problem) -> dict[str, object]:
    return {"line": problem.line, "column": problem.column, "message": problem.message}


def _as_text(report: _Report) -> str:
    told = [
        *(_told(problem, "error", report.lines) for problem in report.errors),
        *(_told(problem, "warning", report.lines) for problem in report.warnings),
        _summary(report),
    ]
    encoding = sys.stdout.encoding or "utf-8"
    return "\n".join(told).encode(encoding, "backslashreplace").decode(encoding)


def _told(problem: Problem, kind: str, lines: Sequence[str]) -> str:
    place = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
    sentence = f"{_visible(place)}: {kind}: {_visible(problem.message)}"
    if not 0 < problem.line <= len(lines):
        return sentence
    line, before = lines[problem.line - 1], problem.column - 1
    first = max(0, before - _SHOWN_BEFORE)
    left = ("…" if first else "") + _visible(line[first:before])
    right = _visible(line[before : before + _SHOWN_AFTER]) + ("…" if len(line) > before + _SHOWN_AFTER else "")
    margin = f"{problem.line:6}"
    return f"{sentence}\n{margin} | {left}{right}\n{' ' * len(margin)} | {' ' * _width(left)}^"


def _visible(text: str) -> str:
    """Escape what a terminal would obey instead of show; a tab becomes one space, so that columns stay."""
    text = text.replace("\t", " ")
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def _width(text: str) -> int:
    """Return how many columns of a terminal the text takes."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def _summary(report: _Report) -> str:
    file, warnings = _visible(report.file), _told_of(report.warnings, "warning")
    if report.loaded is None:
        return f"{file}: not usable: {_told_of(report.errors, 'error')}, {warnings}"
    table = report.loaded.table
    subjects = [rule.subject for rule in table.exact.values()]
    users = sum(isinstance(who, PrincipalArn) and who.kind is not PrincipalKind.ROLE for who in subjects)
    roles = len(subjects) - users + len(table.patterns)
    rules = (
        f"{_counted(roles, 'role rule')}, {_counted(users, 'user rule')}, {_counted(len(table.accounts), 'account')}"
    )
    return f"{file}: usable: {rules}; {warnings}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _told_of(problems: Sequence[Problem], noun: str) -> str:
    return f"more than {MAX_REPORTED} {noun}s" if len(problems) > MAX_REPORTED else _counted(len(problems), noun)
