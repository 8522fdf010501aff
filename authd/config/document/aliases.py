"""YAML anchors and aliases. An alias becomes a bounded copy of the anchor's value.

The nodes of a copy keep the places of the original, because errors are corrected there. Their origin is the alias.
"""

from __future__ import annotations

from typing import Any

from authd.config.document.decoding import Unreadable
from authd.config.document.nodes import Broken, MappingNode, Node, Origin, Scalar, SequenceNode, new, shown
from authd.config.document.problems import Problems

#: Nodes in the copy for one alias. Copying as many takes about 5 ms, the longest time that the reactor may be blocked.
MAX_VALUES = 5_000
#: Nodes in the copies for all aliases of a file: enough for ten thousand rules that share twenty groups.
MAX_ALL_VALUES = 200_000


class Aliases:
    """The anchors of one file."""

    def __init__(self, problems: Problems, max_depth: int) -> None:
        self._problems = problems
        self._max_depth = max_depth
        self._values: dict[str, Node] = {}
        self._copied = 0

    def define(self, anchor: str, node: Node) -> None:
        """Store the value of an anchor. A later anchor of the same name replaces it, as YAML specifies."""
        self._values[anchor] = node

    def resolve(self, event: Any, depth: int) -> Node:
        """Return a copy of the anchor's value for an alias at this depth of nesting.

        Raises `Unreadable` if the value is too large or nests too deep.
        """
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        value = self._values.get(event.anchor)
        if value is None:
            place = Broken(line, column)
            self._problems.error(place, f"*{shown(event.anchor)} has no anchor above: write &name at the value first")
            return place
        copy = _Copy(Origin(alias=event.anchor, line=line, column=column), self._max_depth)
        try:
            node = copy.of(value, depth)
        except _OutOfBoundsError:
            limit = f"more than {MAX_VALUES} values, or nests more than {self._max_depth} deep"
            raise Unreadable(line, column, f"*{shown(event.anchor)} expands to {limit}: use fewer aliases") from None
        self._copied += copy.count
        if self._copied > MAX_ALL_VALUES:
            raise Unreadable(
                line, column, f"the aliases so far expand to more than {MAX_ALL_VALUES} values: write fewer"
            )
        return node


class _OutOfBoundsError(Exception):
    pass


class _Copy:
    """Copies a tree, counts its nodes and gives each an origin."""

    def __init__(self, origin: Origin, max_depth: int) -> None:
        self._origin = origin
        self._max_depth = max_depth
        self.count = 0

    def of(self, node: Node, depth: int) -> Node:
        self.count += 1
        if self.count > MAX_VALUES or depth > self._max_depth:
            raise _OutOfBoundsError
        if type(node) is Scalar:
            return node._replace(origin=self._origin)
        if type(node) is SequenceNode:
            nodes = [self.of(item, depth + 1) for item in node.nodes]
            return new(SequenceNode, (node.line, node.column, nodes, self._origin))
        if type(node) is MappingNode:
            entries = {
                name: (key._replace(origin=self._origin), self.of(value, depth + 1))
                for name, (key, value) in node.entries.items()
            }
            return new(MappingNode, (node.line, node.column, entries, self._origin))
        return node
