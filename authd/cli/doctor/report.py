"""Prints the findings of `authd doctor` as text or JSON."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from authd.cli.doctor.findings import Finding, Level
from authd.cli.shared.output import counted, print_text, visible

Report = Mapping[str, Sequence[Finding]]

#: Symbol, its substitute for encodings without it, and the colour's number (ECMA-48, SGR).
_SYMBOLS: Mapping[Level, tuple[str, str, int]] = MappingProxyType(
    {Level.OK: ("✔", "+", 32), Level.WARNING: ("!", "!", 33), Level.ERROR: ("✘", "x", 31)}
)
_INDENT = "  "


def exit_status(report: Report) -> int:
    """Return 2 if there are errors, 1 if there are warnings, otherwise 0."""
    levels = {finding.level for findings in report.values() for finding in findings}
    return 2 if Level.ERROR in levels else 1 if Level.WARNING in levels else 0


def report_as_json(report: Report) -> dict[str, Any]:
    """Return the report as JSON."""
    findings = [
        {"group": group, "level": str(each.level), "message": each.message, "fix": each.fix or None}
        for group, found in report.items()
        for each in found
    ]
    return {"status": exit_status(report), "findings": findings}


def print_report(report: Report) -> None:
    """Print a line for each finding, with its fix below, and the number of problems."""
    for group, findings in report.items():
        print_text(group)
        for finding in findings:
            for line in _lines(finding):
                print_text(line)
    counts = [sum(each.level is level for found in report.values() for each in found) for level in Level]
    print_text(f"{counted(counts[2], 'error')}, {counted(counts[1], 'warning')}")


def _lines(finding: Finding) -> Iterator[str]:
    yield from _wrapped(f"{_INDENT}{_symbol(finding.level)} ", visible(finding.message))
    if finding.fix:
        yield f"{_INDENT * 2}fix: {visible(finding.fix)}"  # not wrapped, so that a command can be copied


def _wrapped(begin: str, text: str) -> list[str]:
    if not sys.stdout.isatty():
        return [begin + text]
    columns = max(40, shutil.get_terminal_size().columns)
    first, *others = textwrap.wrap(text, columns - 2 * len(_INDENT), break_on_hyphens=False) or [""]
    return [begin + first, *(f"{_INDENT * 2}{line}" for line in others)]


def _symbol(level: Level) -> str:
    symbol, substitute, colour = _SYMBOLS[level]
    try:
        symbol.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        symbol = substitute
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\x1b[{colour}m{symbol}\x1b[0m" if coloured else symbol
