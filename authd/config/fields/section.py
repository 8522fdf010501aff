"""Reads the settings of one mapping. An error is added to `problems`, and reading continues.

A null or an empty text counts as absent, and a single value as a list of one, as in aws-iam-authenticator's loader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from authd.config.document.nodes import (
    NULLS,
    Broken,
    MappingNode,
    Node,
    Scalar,
    SequenceNode,
    is_absent,
    matched,
)
from authd.config.document.problems import Problems
from authd.config.fields.schema import Names, unknown
from authd.config.fields.values import InvalidValue

Value = TypeVar("Value")
Default = TypeVar("Default")

_EMPTY = MappingNode(0, 0, {})


def text_of(node: Node) -> str:
    """Return the text of a node. Raises `InvalidValue` for a list or mapping."""
    if type(node) is not Scalar:
        kind = "list" if isinstance(node, SequenceNode) else "mapping"
        raise InvalidValue(f"must be a single value, not a {kind}")
    return node.text


class Section:
    """The settings of one mapping. `path` precedes their names in messages."""

    __slots__ = ("_entries", "node", "path", "problems")

    def __init__(self, node: MappingNode, path: str, names: Names, problems: Problems, extra: str = "\0") -> None:
        """Add an error for each name that is not in `names` and does not begin with `extra`."""
        self.node = node
        self.problems = problems
        self.path = path
        self._entries = node.entries
        if not node.entries.keys() <= names.keys():
            for key, (written, _) in node.entries.items():
                if key not in names and not key.startswith(extra):
                    counted = problems.errors_are_counted_only
                    message = "" if counted else unknown(written.text, path, names, self._entries)
                    problems.error(written, message)

    def node_of(self, name: str) -> Node | None:
        """Return the value of a name, None if it is absent."""
        entry = self._entries.get(name.lower())
        if entry is None:
            return None
        node = entry[1]
        if type(node) is Scalar and (not node.text or (node.plain and node.text in NULLS)):
            return None
        return node

    def has(self, name: str) -> bool:
        """Return whether a name is in the mapping, even without a value."""
        return matched(name) in self._entries

    def is_empty(self, name: str) -> bool:
        """Return whether a name is in the mapping with nothing or an empty text as its value."""
        entry = self._entries.get(matched(name))
        return entry is not None and type(entry[1]) is Scalar and not entry[1].text

    def value(self, name: str, read: Callable[[str], Value], default: Default) -> Value | Default:
        """Read a setting. Returns the default if it is absent or wrong."""
        node = self.node_of(name)
        return default if node is None else self.read(node, name, read, default)

    def required(self, name: str, read: Callable[[str], Value], why: str) -> Value | None:
        """Read a required setting. `why` says in the error what it is for."""
        node = self.node_of(name)
        if node is None:
            entry = self._entries.get(matched(name))
            self.problems.error(entry[0] if entry else self.node, f"{self.path}{name} is missing: {why}")
            return None
        return self.read(node, name, read, None)

    def read(self, node: Node, name: str, read: Callable[[str], Value], default: Default) -> Value | Default:
        """Read one node as a value of the named setting. Returns the default if it is wrong."""
        if type(node) is Broken:
            return default
        try:
            return read(text_of(node))
        except InvalidValue as wrong:
            self.problems.error(node, f"{self.path}{name} {wrong}")
            return default

    def items(self, name: str) -> list[Node]:
        """Return the items of a list of mappings. A single mapping is a list of one, an empty one an empty list."""
        node = self.node_of(name)
        if isinstance(node, SequenceNode):
            return node.nodes
        if isinstance(node, MappingNode):
            return [node] if node.entries else []
        if isinstance(node, Scalar):
            block = " (it is a text: remove the | or the quotes)" if "\n" in node.text else ""
            self.problems.error(node, f"{self.path}{name} must be a list: write each item as `- item` below it{block}")
        return []

    def values(self, name: str, read: Callable[[str], Value], *, words: bool = False) -> Iterator[tuple[Node, Value]]:
        """Read a list of texts, each with its place. Absent and wrong items are left out.

        A single text is split at its commas, and with `words` at spaces too.
        """
        for node in self._texts(name, words=words):
            value = None if is_absent(node) else self.read(node, name, read, None)
            if value is not None:
                yield node, value

    def section(self, name: str, names: Names) -> Section:
        """Read a nested mapping. Returns an empty one if it is absent or wrong."""
        node = self.node_of(name)
        found = None if node is None else self.section_at(node, name, names)
        return found or Section(_EMPTY, f"{self.path}{name}.", names, self.problems)

    def section_at(self, node: Node, name: str, names: Names) -> Section | None:
        """Read one node as a nested mapping. Returns None if it is not a mapping."""
        return section_at(node, f"{self.path}{name}", names, self.problems)

    def _texts(self, name: str, *, words: bool) -> list[Node]:
        node = self.node_of(name)
        if isinstance(node, SequenceNode):
            return node.nodes
        if isinstance(node, Scalar) and words:
            found = node.text.replace(",", " ").split()
            return [node._replace(text=word, plain=node.plain and len(found) == 1) for word in found]
        if isinstance(node, Scalar):
            return self._split(node, name)
        if isinstance(node, MappingNode) and node.entries:
            self.problems.error(node, f"{self.path}{name} must be a list: write each item as `- item` below it")
        return []

    def _split(self, node: Scalar, name: str) -> list[Node]:
        parts = node.text.split(",")
        if any(part != part.strip() for part in parts) and node.origin is None:
            places = "around the commas" if len(parts) > 1 else "and line breaks at the ends"
            self.problems.warn(
                node,
                f"{self.path}{name}: spaces {places} are left out here, but are part of the values in "
                "aws-iam-authenticator: write a list",
            )
        return [node._replace(text=part.strip(), plain=node.plain and len(parts) == 1) for part in parts]


def section_at(node: Node, path: str, names: Names, problems: Problems) -> Section | None:
    """Read one node as a mapping. Returns None if it is not one."""
    if isinstance(node, MappingNode):
        return Section(node, f"{path}.", names, problems)
    if not isinstance(node, Broken):
        problems.error(node, f"{path} must be a mapping: write each setting as `name: value`")
    return None
