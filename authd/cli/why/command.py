"""`authd why`: the decision behind a reference, or all decisions about a user."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from authd.cli.shared.broken_settings import path_in_broken_file
from authd.cli.shared.columns import print_columns
from authd.cli.shared.errors import CommandError
from authd.cli.shared.live import DEFAULT_CONFIG
from authd.cli.shared.output import add_output_option, counted, print_json, print_table, print_text, visible, warn
from authd.cli.shared.settings_file import read_settings
from authd.cli.why.explanation import Explanation, explain_record
from authd.cli.why.log_lines import file_lines, journal_lines
from authd.cli.why.records import Selection, read_records
from authd.cli.why.since import parse_since
from authd.config.settings import Loaded
from authd.core.errors import ConfigError

_FOUND, _NOT_FOUND = 0, 1
#: Files of a rotated audit log that are read besides the newest.
_MAX_ROTATED = 9
_REFERENCE = re.compile(r"(?:.*\breference )?([0-9a-f]{8})\b.*", re.IGNORECASE | re.DOTALL)

_DESCRIPTION = """\
Show the decision behind a reference: identity, rule, STS request ID, the next step, and the missing mapping to paste.
kube-apiserver's log has the reference at the end of each refusal. You can give the whole line.

With --user or --since, list all such decisions. They are read from --file, or else from the audit log that the
settings file names, or else from the journal.
"""
_EPILOG = """\
examples:
  sudo authd why 3f9a01c2
  sudo authd why --user alice --since yesterday
  kubectl -n kube-system logs ds/authd | authd why 3f9a01c2 --file -
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd why`."""
    parser = subparsers.add_parser(
        "why",
        help="show the decision behind a reference, and the next step",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("reference", metavar="REFERENCE", nargs="?", help="8 hex digits, or a text with `reference …`")
    parser.add_argument("--user", metavar="NAME", help="a user name, an ARN, or the last part of an ARN")
    parser.add_argument(
        "--since", metavar="TIME", help="yesterday, today, 90m, 2h, 3d, 2026-11-27 or 2026-11-27T14:00 (local time)"
    )
    parser.add_argument(
        "-f", "--file", metavar="FILE", action="append",
        help="an audit log or a log with JSON lines, - for standard input; may be repeated",
    )  # fmt: skip
    parser.add_argument("--unit", default="authd", help="the systemd unit, in the journal (%(default)s)")
    parser.add_argument(
        "-c", "--config", metavar="FILE", help=f"the settings file, for the outcome today ({DEFAULT_CONFIG})"
    )
    add_output_option(parser)


def run(args: argparse.Namespace) -> int:
    """Find the decisions and print them."""
    selection = _selection(args)
    loaded = _settings(args.config)
    files = args.file or _audit_log(args.config or DEFAULT_CONFIG, loaded)
    lines = file_lines(files) if files else journal_lines(args.unit, selection.since)
    explained = [explain_record(record, loaded) for record in read_records(lines, selection)]
    if args.output == "json":
        print_json({"decisions": [each.as_json() for each in explained]})
    elif selection.reference:
        _print_each(explained)
    else:
        _print_list(explained)
    if not explained and args.output == "text":
        _print_nothing_found(files, args.unit, selection)
    return _FOUND if explained else _NOT_FOUND


def _selection(args: argparse.Namespace) -> Selection:
    if not (args.reference or args.user or args.since):
        raise CommandError("give a reference, or --user NAME, or --since TIME")
    reference = _REFERENCE.fullmatch(args.reference) if args.reference else None
    if args.reference and reference is None:
        raise CommandError("a reference has 8 hex digits, such as 3f9a01c2: copy it from kube-apiserver's log")
    try:
        since = parse_since(args.since, datetime.now().astimezone()) if args.since else None
    except (ValueError, OverflowError):
        raise CommandError("--since takes yesterday, today, 90m, 2h, 3d, a date, or a date with a time") from None
    return Selection(reference=reference[1].lower() if reference else "", user=args.user or "", since=since)


def _settings(config: str | None) -> Loaded | None:
    """Load the settings file. Returns None if it is broken or the default one is missing: the log alone is enough."""
    if config is None and not Path(DEFAULT_CONFIG).exists():
        return None
    try:
        return read_settings(config or DEFAULT_CONFIG, {})
    except ConfigError:
        warn(f"{config or DEFAULT_CONFIG} is broken, so the outcome today is unknown: see `authd check`")
    except CommandError:
        if config is not None:
            raise
    return None


def _audit_log(config: str, loaded: Loaded | None) -> list[str]:
    """Return the settings' audit log and its rotated files, the oldest first."""
    named = path_in_broken_file(config, "auditLog", "") if loaded is None else loaded.settings.audit_log
    if not named:
        return []
    path = Path(named)
    numbers = range(_MAX_ROTATED, 0, -1)
    rotated = [path.with_name(f"{path.name}.{number}{suffix}") for number in numbers for suffix in (".gz", "")]
    return [*(str(file) for file in rotated if file.exists()), str(path)]


def _print_each(explained: Iterable[Explanation]) -> None:
    for each in explained:
        print_table((name, _shown(value)) for name, value in each.rows() if value)
        if each.entry:
            print_text(f"\nThe missing mapping, below `server`:\n\n{each.entry}\n")
        if each.add_command:
            print_text(f"\nThis command adds the missing mapping:\n\n  {each.add_command}\n")


def _print_list(explained: Sequence[Explanation]) -> None:
    if not explained:
        return
    print_columns(
        ("TIME", "REASON", "REFERENCE", "USER NAME", "ARN"),
        [
            [str(each.record.get(field, "")) for field in ("time", "reason", "reference", "username", "arn")]
            for each in explained
        ],
    )
    print_text(counted(len(explained), "decision"))


def _print_nothing_found(files: Sequence[str], unit: str, selection: Selection) -> None:
    place = ", ".join(map(visible, files)) if files else f"the journal of {unit}"
    print_text(f"no such decision in {place}")
    if not files and os.geteuid() != 0:
        print_text("without root or the group systemd-journal you may see only a part of the journal: try it with sudo")
    if selection.reference:
        print_text("a reference is known only to the control-plane node whose kube-apiserver logged it")


def _shown(value: object) -> str:
    return visible(", ".join(map(str, value)) if isinstance(value, list) else str(value))
