"""The nodes of a YAML tree: texts, lists and mappings, each with its line and column.

They are named tuples, which cost less than dataclasses: a large mapping file has a hundred thousand of them.
"""

from __future__ import annotations

from typing import NamedTuple

#: The spellings of YAML's null.
NULLS = frozenset({"", "~", "null", "Null", "NULL"})

#: Constructs a named tuple in half the time of its own constructor, which is written in Python.
new = tuple.__new__

#: Characters of a text from the file that a message quotes.
_SHOWN = 64


class Origin(NamedTuple):
    """The source of a value that was not written at its place: a command line option, or an alias and its place."""

    option: str = ""
    alias: str = ""
    line: int = 0
    column: int = 0


class Scalar(NamedTuple):
    """A text as written. `plain` is True if it has no quotes."""

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
    """A mapping. `entries` has the key as written and the value, by the key in lower case."""

    line: int
    column: int
    entries: dict[str, tuple[Scalar, Node]]
    origin: Origin | None = None


class Broken(NamedTuple):
    """A placeholder for a value whose error is already reported."""

    line: int
    column: int
    origin: Origin | None = None


Node = Scalar | SequenceNode | MappingNode | Broken


def is_null(node: Node) -> bool:
    """Return whether a node is YAML's null."""
    return type(node) is Scalar and node.plain and node.text in NULLS


def is_absent(node: Node) -> bool:
    """Return whether a node counts as absent: null or an empty text, as in aws-iam-authenticator's loader."""
    return type(node) is Scalar and (not node.text or (node.plain and node.text in NULLS))


def matched(key: str) -> str:
    """Return the form in which keys are compared: ASCII keys in lower case, others unchanged."""
    return key.lower() if key.isascii() else key


def shown(text: str) -> str:
    """Return a text from the file for use in a message: shortened, on one line, without control characters."""
    short = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return short if short.isprintable() and short else ascii(short)
