"""A settings file as a tree of texts, lists and mappings, each with its place.

Named tuples rather than dataclasses: a large mapping file has a hundred thousand of them.
"""

from __future__ import annotations

from typing import NamedTuple

#: The spellings of YAML's null.
NULLS = frozenset({"", "~", "null", "Null", "NULL"})

#: The constructor of a named tuple, written in Python, takes twice as long as this one.
new = tuple.__new__

#: Characters of a name from the file that a message repeats.
_SHOWN = 64


class Origin(NamedTuple):
    """The origin of a value that is not written at its place: a command line option, or an alias and its place."""

    option: str = ""
    alias: str = ""
    line: int = 0
    column: int = 0


class Scalar(NamedTuple):
    """A text as written. `plain` means without quotes."""

    line: int
    column: int
    text: str
    plain: bool = False
    origin: Origin | None = None


class SequenceNode(NamedTuple):
    """A list."""

    line: int
    column: int
    nodes: list[Node]
    origin: Origin | None = None


class MappingNode(NamedTuple):
    """A mapping: for each key in lower case, the key as written and its value."""

    line: int
    column: int
    entries: dict[str, tuple[Scalar, Node]]
    origin: Origin | None = None


class Broken(NamedTuple):
    """A value whose error is noted already, so that it is reported once."""

    line: int
    column: int
    origin: Origin | None = None


Node = Scalar | SequenceNode | MappingNode | Broken


def is_null(node: Node) -> bool:
    """Return whether a node is YAML's null."""
    return type(node) is Scalar and node.plain and node.text in NULLS


def is_absent(node: Node) -> bool:
    """Return whether a node counts as left out: null or an empty text, as in aws-iam-authenticator's loader."""
    return type(node) is Scalar and (not node.text or (node.plain and node.text in NULLS))


def matched(key: str) -> str:
    """Return the form in which keys are compared: case does not count, and only ASCII letters have case."""
    return key.lower() if key.isascii() else key


def shown(text: str) -> str:
    """Return a text from the file as a message may repeat it: short, on one line, without control characters."""
    short = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return short if short.isprintable() and short else ascii(short)
