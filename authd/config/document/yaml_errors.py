"""Translates errors of the YAML parser for the author of a file."""

from __future__ import annotations

import re

import yaml

from authd.config.document.decoding import Unreadable, source_lines

_TEMPLATE_FIRST = re.compile(r"(?:^|[:\-,\[])\s*\{\{")
#: Characters that can't begin a plain text. Source: YAML 1.1, "Indicator Characters".
_RESERVED = frozenset("@`%")


def broken_yaml(error: yaml.YAMLError, text: str) -> Unreadable:
    """Return the parser's message with its place and, if known, the usual cause."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or "it can't be parsed"
    if mark is None:
        return Unreadable(0, 0, f"not YAML: {problem}")
    context, start = getattr(error, "context", None), getattr(error, "context_mark", None)
    begun = f" ({context} that begins in line {start.line + 1})" if context and start else ""
    hint = _hint(text, mark.line, mark.column)
    return Unreadable(mark.line + 1, mark.column + 1, f"not YAML: {problem}{begun}{hint}")


def _hint(text: str, line: int, column: int) -> str:
    lines = source_lines(text)
    here = lines[line] if line < len(lines) else ""
    if _TEMPLATE_FIRST.search(here):
        return '; quote texts that begin with braces, such as "{{SessionName}}"'
    if "\t" in here[: column + 1]:
        return "; indent with spaces: YAML does not allow tabs"
    if here[column : column + 1] in _RESERVED:
        return "; quote texts that begin with this character"
    return ""
