"""Prints the results of all commands: texts, JSON, tables, and problems with their line and a caret."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence

from authd.core.errors import Problem

#: Characters of a source line that are shown before and after the place of a problem, if the terminal is wide enough.
_SHOWN_BEFORE, _SHOWN_AFTER = 60, 40
#: On a terminal narrower than this, a table has no columns.
_NARROW = 60
#: Width of the line number and the bar before a source line, and of two `…`.
_MARGIN = 11
#: Width of the first column of a table.
_NAME_WIDTH = 13


def add_output_option(parser: argparse.ArgumentParser) -> None:
    """Add `--output` to a command's parser."""
    parser.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="for people (text, the default) or programs"
    )


def print_text(text: str) -> None:
    """Print a text. Characters that the terminal's encoding lacks are escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def wrapped(text: str, indent: int) -> str:
    """Wrap a line for a terminal, and indent its continuation. Paths and ARNs stay in one piece.

    Other outputs get the line as it is.
    """
    if not sys.stdout.isatty():
        return text
    margin = " " * (len(text) - len(text.lstrip()))
    width = max(2 * _NAME_WIDTH, shutil.get_terminal_size().columns)
    lines = textwrap.wrap(
        text, width, subsequent_indent=margin + " " * indent, break_long_words=False, break_on_hyphens=False,
        replace_whitespace=False,
    )  # fmt: skip
    return "\n".join(lines) or text


def print_json(value: object) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2))


def print_table(rows: Iterable[tuple[str, object]]) -> None:
    """Print names and values in two columns. Lists are separated by commas."""
    for name, value in rows:
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        if sys.stdout.isatty() and shutil.get_terminal_size().columns < _NARROW:
            print_text(wrapped(f"{name} {text}", 2))
        else:
            print_text(wrapped(f"{name:{_NAME_WIDTH}} {text}", _NAME_WIDTH + 1))


def warn(message: str) -> None:
    """Print a warning to standard error."""
    print(f"authd: warning: {message}", file=sys.stderr)


def problem_as_json(problem: Problem) -> dict[str, object]:
    """Return a problem as JSON. Line and column are 0 if it concerns the file as a whole."""
    return {"line": problem.line, "column": problem.column, "message": problem.message}


def problem_as_text(problem: Problem, kind: str, lines: Sequence[str]) -> str:
    """Return a problem as text: `file:line:column: kind: message`, and its line of `lines` with a caret."""
    place = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
    sentence = f"{visible(place)}: {kind}: {visible(problem.message)}"
    if not 0 < problem.line <= len(lines):
        return sentence
    line, before = lines[problem.line - 1], problem.column - 1
    shown_before, shown_after = _shown()
    first = max(0, before - shown_before)
    left = ("…" if first else "") + visible(line[first:before])
    right = visible(line[before : before + shown_after]) + ("…" if len(line) > before + shown_after else "")
    margin = f"{problem.line:6}"
    return f"{sentence}\n{margin} | {left}{right}\n{' ' * len(margin)} | {' ' * _columns(left)}^"


def visible(text: str) -> str:
    """Escape characters that control a terminal. A tab becomes one space, so that the caret's column is right."""
    text = text.replace("\t", " ")
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: `1 error`, `2 errors`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _shown() -> tuple[int, int]:
    """Return how many characters before and after a problem's column fit on the line."""
    if not sys.stdout.isatty():
        return _SHOWN_BEFORE, _SHOWN_AFTER
    width = max(2, shutil.get_terminal_size().columns - _MARGIN)
    return min(_SHOWN_BEFORE, width * 3 // 5), min(_SHOWN_AFTER, width * 2 // 5)


def _columns(text: str) -> int:
    """Return the number of terminal columns that a text takes."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))
