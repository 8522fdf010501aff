"""A settings file as a tree of texts, lists and mappings that remember where they stand.

Named tuples rather than dataclasses: a large mapping file has a hundred thousand of them.
"""

from __future__ import annotations

from typing import NamedTuple

#: How YAML writes that there is nothing.
NULLS = frozenset({"", "~", "null", "Null", "NULL"})

#: A named tuple's own constructor, written in Python, takes twice as long as this one.
new = tuple.__new__

#: How much of a name from the file a message repeats.
_SHOWN = 64


class Scalar(NamedTuple):
    """A text as it is written; `plain` where it stands without quotes, `option` if a command line gave it."""

    line: int
    column: int
    text: str
    plain: bool = False
    option: str = ""

    @property
    def is_null(self) -> bool:
        """Whether nothing is written here."""
        return self.plain and self.text in NULLS


class SequenceNode(NamedTuple):
    """A list."""

    line: int
    column: int
    nodes: list[Node]
    option: str = ""


class MappingNode(NamedTuple):
    """A mapping: for each key in lower case, the key as it is written and its value."""

    line: int
    column: int
    entries: dict[str, tuple[Scalar, Node]]
    option: str = ""


class Broken(NamedTuple):
    """Something whose fault is noted already, so that nobody complains of it twice."""

    line: int
    column: int
    option: str = ""


Node = Scalar | SequenceNode | MappingNode | Broken


def matched(key: str) -> str:
    """Return the form in which keys are compared: case does not count, and only ASCII letters have case."""
    return key.lower() if key.isascii() else key


def shown(text: str) -> str:
    """Return a text from the file as a message may repeat it: short, on one line, without control characters."""
    short = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return short if short.isprintable() and short else ascii(short)
