"""A mapping of a settings file, read setting by setting; what is wrong is noted, and reading goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from authd.config.document.nodes import NULLS, Broken, MappingNode, Node, Scalar, SequenceNode
from authd.config.problems import Problems
from authd.config.schema import Names, unknown
from authd.config.values import InvalidValue

Value = TypeVar("Value")
Default = TypeVar("Default")

_EMPTY = MappingNode(0, 0, {})


def text_of(node: Node) -> str:
    """Return the text that stands at a place; raises `InvalidValue` where there is none."""
    if type(node) is not Scalar:
        kind = "list" if isinstance(node, SequenceNode) else "mapping"
        raise InvalidValue(f"must be a single value, not a {kind}")
    text = node.text
    if node.plain and text in NULLS:
        quote = f': quote it ("{text}") if the word itself is meant' if text.isalpha() else ""
        raise InvalidValue(f"has no value{quote}")
    return text


class Section:
    """The settings of one mapping; `path` is what stands before their names in messages."""

    __slots__ = ("_entries", "_path", "node", "problems")

    def __init__(self, node: MappingNode, path: str, names: Names, problems: Problems) -> None:
        self.node = node
        self.problems = problems
        self._path = path
        self._entries = node.entries
        if not node.entries.keys() <= names.keys():
            for key, (written, _) in node.entries.items():
                if key not in names:
                    says = "" if problems.errors_are_counted_only else unknown(written.text, path, names)
                    problems.error(written, says)

    def node_of(self, name: str) -> Node | None:
        """Return what stands at a name, None where nothing does."""
        entry = self._entries.get(name.lower())
        return None if entry is None else entry[1]

    def value(self, name: str, read: Callable[[str], Value], default: Default) -> Value | Default:
        """Read a setting; the default serves where it is left out or wrong."""
        node = self.node_of(name)
        return default if node is None else self.read(node, name, read, default)

    def required(self, name: str, read: Callable[[str], Value], why: str) -> Value | None:
        """Read a setting that can't be left out."""
        node = self.node_of(name)
        if node is None:
            self.problems.error(self.node, f"{self._path}{name} is missing: {why}")
            return None
        return self.read(node, name, read, None)

    def read(self, node: Node, name: str, read: Callable[[str], Value], default: Default) -> Value | Default:
        """Read the text of one place as (a part of) the named setting."""
        if type(node) is Broken:
            return default
        try:
            return read(text_of(node))
        except InvalidValue as wrong:
            self.problems.error(node, f"{self._path}{name} {wrong}")
            return default

    def items(self, name: str) -> list[Node]:
        """Return what a list holds; one that is left out or has nothing after its name is empty."""
        node = self.node_of(name)
        if isinstance(node, SequenceNode):
            return node.nodes
        if isinstance(node, Scalar) and node.option:
            return [node._replace(text=part) for part in node.text.split(",")]
        if node is not None and not isinstance(node, Broken) and not (isinstance(node, Scalar) and node.is_null):
            self.problems.error(node, f"{self._path}{name} must be a list: write each item as `- item` below it")
        return []

    def values(self, name: str, read: Callable[[str], Value]) -> Iterator[tuple[Node, Value]]:
        """Read a list of single values, each with its place; wrong ones are left out."""
        for node in self.items(name):
            value = self.read(node, name, read, None)
            if value is not None:
                yield node, value

    def section(self, name: str, names: Names) -> Section:
        """Read a mapping below this one; empty where it is left out, has nothing in it or is wrong."""
        node = self.node_of(name)
        nothing = node is None or (isinstance(node, Scalar) and node.is_null)
        found = None if nothing or node is None else self.section_at(node, name, names)
        return found or Section(_EMPTY, f"{self._path}{name}.", names, self.problems)

    def section_at(self, node: Node, name: str, names: Names) -> Section | None:
        """Read one place as a mapping below this one; None where it is none."""
        return section_at(node, f"{self._path}{name}", names, self.problems)


def section_at(node: Node, path: str, names: Names, problems: Problems) -> Section | None:
    """Read one place as a mapping; None where it is none."""
    if isinstance(node, MappingNode):
        return Section(node, f"{path}.", names, problems)
    if not isinstance(node, Broken):
        problems.error(node, f"{path} must be a mapping: write each setting as `name: value`")
    return None
