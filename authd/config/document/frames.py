"""Parts of a file whose end the parser hasn't come to yet; `add` takes what is in them, `close` gives the node."""

from __future__ import annotations

from collections.abc import Callable

from authd.config.document.nodes import Broken, MappingNode, Node, Scalar, SequenceNode, matched, new, shown
from authd.config.problems import Problems

#: What is no setting's name: nothing, and YAML's order to copy another mapping's entries.
_NO_NAMES = frozenset({"", "<<"})


class OpenFile:
    """The outermost: whatever is added last is the file's content."""

    __slots__ = ("node",)

    name = ""

    def __init__(self) -> None:
        self.node: Node = Scalar(1, 1, "", plain=True)

    def add(self, node: Node) -> None:
        """Take the content."""
        self.node = node


class OpenSequence:
    """A list whose end hasn't come yet."""

    __slots__ = ("add", "node")

    name = ""

    def __init__(self, line: int, column: int, taker: Callable[[Node], None] | None) -> None:
        nodes: list[Node] = []
        self.node = new(SequenceNode, (line, column, nodes, ""))
        self.add = taker or nodes.append

    def close(self) -> Node:
        """Return the list."""
        return self.node


class OpenMapping:
    """A mapping whose end hasn't come yet: a key and its value arrive in turn."""

    __slots__ = ("_broken", "_entries", "_key", "_problems", "node")

    def __init__(self, line: int, column: int, problems: Problems) -> None:
        self._entries: dict[str, tuple[Scalar, Node]] = {}
        self.node = new(MappingNode, (line, column, self._entries, ""))
        self._problems = problems
        self._key: Node | None = None
        self._broken = False

    @property
    def name(self) -> str:
        """The name of the setting whose value comes next."""
        return matched(self._key.text) if isinstance(self._key, Scalar) else ""

    def add(self, node: Node) -> None:
        """Take a key, or the value of the key before."""
        key = self._key
        if key is None:
            self._key = node
            return
        self._key = None
        if type(key) is not Scalar or key.text in _NO_NAMES:
            self._refuse(key)
            return
        name = matched(key.text)
        if name in self._entries:
            first = self._entries[name][0].line
            self._problems.error(key, f"{shown(key.text)} stands twice here, first in line {first}: keep one")
        else:
            self._entries[name] = (key, node)

    def close(self) -> Node:
        """Return the mapping, or that it is none."""
        return Broken(self.node.line, self.node.column) if self._broken else self.node

    def _refuse(self, key: Node) -> None:
        if isinstance(key, Scalar) and key.text:
            self._broken = True  # what it would have brought is missing: nobody should be told that too
            self._problems.error(key, "merge keys (<<) are not read: write the settings out")
        elif isinstance(key, Scalar):
            self._problems.error(key, "the name of a setting is missing here")
        elif isinstance(key, MappingNode) and (key.line, key.column) == (self.node.line, self.node.column + 1):
            self._broken = True
            name = next((entry.text for entry, _ in key.entries.values()), "SessionName")
            self._problems.error(self.node, f'quote it: "{{{{{shown(name)}}}}}" (YAML takes braces for a mapping)')
        elif not isinstance(key, Broken):
            self._problems.error(key, "the name of a setting must be a text, not a list or a mapping")
