"""The parser's stack: lists and mappings whose end has not been parsed yet.

`add` receives their members one by one, `close` returns the finished node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from authd.config.document.nodes import (
    Broken,
    MappingNode,
    Node,
    Scalar,
    SequenceNode,
    is_null,
    matched,
    new,
    shown,
)
from authd.config.document.problems import Problems

#: YAML's merge key: it copies the entries of other mappings.
#: Source: YAML Language-Independent Types, "Merge Key".
_MERGE = "<<"


class OpenFile:
    """The bottom of the stack. Its member is the root node of the file."""

    __slots__ = ("anchor", "node")

    name = ""

    def __init__(self) -> None:
        self.anchor: str | None = None
        self.node: Node = Scalar(1, 1, "", plain=True)

    def add(self, node: Node) -> None:
        """Set the root node."""
        self.node = node


class OpenSequence:
    """An unfinished list. If it has a `consumer`, its items go there instead of into the node."""

    __slots__ = ("add", "anchor", "node")

    name = ""

    def __init__(self, line: int, column: int, anchor: str | None, consumer: Callable[[Node], None] | None) -> None:
        nodes: list[Node] = []
        self.anchor = anchor
        self.node = new(SequenceNode, (line, column, nodes, None))
        self.add = consumer or nodes.append

    def close(self) -> Node:
        """Return the list."""
        return self.node


class OpenMapping:
    """An unfinished mapping. Keys and values alternate."""

    __slots__ = ("_broken", "_entries", "_errors", "_key", "_problems", "_whole", "anchor", "node")

    def __init__(self, line: int, column: int, anchor: str | None, problems: Problems, *, whole: bool) -> None:
        """Begin a mapping. If it is to be `whole`, any error in it makes it `Broken`."""
        self._entries: dict[str, tuple[Scalar, Node]] = {}
        self.anchor = anchor
        self.node = new(MappingNode, (line, column, self._entries, None))
        self._problems = problems
        self._whole = whole
        self._errors = problems.error_count
        self._key: Node | None = None
        self._broken = False

    @property
    def name(self) -> str:
        """The key of the next value, in the form in which keys are compared."""
        return matched(self._key.text) if isinstance(self._key, Scalar) else ""

    def add(self, node: Node) -> None:
        """Add a key, or the value of the preceding key."""
        key = self._key
        if key is None:
            self._key = node
            return
        self._key = None
        if type(key) is not Scalar or not key.text:
            self._refuse(key)
            return
        name = matched(key.text)
        if name == _MERGE and not key.plain:
            name = f'"{_MERGE}"'  # in quotes it is an ordinary key
        if name in self._entries:
            self._repeat(name, key, node)
        else:
            self._entries[name] = (key, node)

    def close(self) -> Node:
        """Return the mapping with merged entries, or `Broken`."""
        merge = self._entries.pop(_MERGE, None)
        if merge is not None:
            self._merge(*merge)
        if self._broken or (self._whole and self._problems.error_count > self._errors):
            return Broken(self.node.line, self.node.column)
        return self.node

    def _repeat(self, name: str, key: Scalar, node: Node) -> None:
        """Let the later of two texts replace the earlier one, as in aws-iam-authenticator's loader.

        Two spellings of a key are an error, because that loader picks one of them at random. So are two sections, since
        the rules of the first one may have been read already.
        """
        earlier, value = self._entries[name]
        twice = f"{shown(key.text)} is duplicated, first in line {earlier.line}"
        if earlier.text == key.text != _MERGE and type(value) is type(node) is Scalar:
            self._problems.warn(key, f"{twice}: the later one is in force; keep one")
            self._entries[name] = (key, node)
        else:
            self._problems.error(key, f"{twice}: keep one")

    def _merge(self, merge: Scalar, value: Node) -> None:
        """Add the entries of other mappings. The mapping's own entries and the earlier mappings have precedence."""
        own = {name: key for name, (key, _) in self._entries.items() if (key.line, key.column) < merge[:2]}
        for source in value.nodes if isinstance(value, SequenceNode) else [value]:
            if isinstance(source, MappingNode):
                self._warn_of_order(merge, own, source)
                for name, entry in source.entries.items():
                    self._entries.setdefault(name, entry)
            elif not isinstance(source, Broken) and not is_null(source):
                self._problems.error(source, "a merge key (<<) takes a mapping or a list of mappings, such as *name")

    def _warn_of_order(self, merge: Scalar, own: Mapping[str, Scalar], source: MappingNode) -> None:
        """Warn of merged values that replace those above the merge key in aws-iam-authenticator."""
        for key in (key for name, key in own.items() if name in source.entries):
            self._problems.warn(
                merge,
                f"{shown(key.text)} above is in force here, but aws-iam-authenticator takes the merged one: "
                "move << to the top of its mapping",
            )

    def _refuse(self, key: Node) -> None:
        if isinstance(key, Scalar):
            self._problems.error(key, "a setting's name is missing here")
        elif isinstance(key, MappingNode) and (key.line, key.column) == (self.node.line, self.node.column + 1):
            self._broken = True
            name = next((entry.text for entry, _ in key.entries.values()), "SessionName")
            self._problems.error(self.node, f'quote it: "{{{{{shown(name)}}}}}" (YAML takes braces for a mapping)')
        elif not isinstance(key, Broken):
            self._problems.error(key, "the name of a setting must be a string, not a list or a mapping")
