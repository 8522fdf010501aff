"""Edits a kubeconfig as text, so that its comments, order and style are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from authd.cli.shared.errors import CommandError

_NULL = "tag:yaml.org,2002:null"
_WIDTH = 10_000


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """A range of the text, in characters, and its replacement."""

    start: int
    end: int
    text: str


class Document:
    """One kubeconfig file. Edits are collected, and `edited` applies them."""

    def __init__(self, text: str, path: str) -> None:
        """Parse `text`. Raises CommandError for anything but a mapping."""
        self.text, self._path = text, path
        self._edits: list[Edit] = []
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except (yaml.YAMLError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
            raise CommandError(f"{place}: not valid YAML; correct the file first") from None
        if root is not None and not isinstance(root, yaml.MappingNode):
            raise CommandError(f"{path}: not a kubeconfig, which is a mapping with clusters, contexts and users")
        self._root = root

    def value(self, node: yaml.Node | None) -> Any:
        """Return the value of a node. All scalars are strings, except for null and booleans."""
        if isinstance(node, yaml.MappingNode):
            return {str(key.value): self.value(value) for key, value in node.value}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item) for item in node.value]
        if node is None or node.tag == _NULL:
            return None
        if node.tag == "tag:yaml.org,2002:bool":
            return str(node.value).lower() in ("true", "yes", "on")
        return str(node.value)

    def root_value(self, key: str) -> Any:
        """Return the value of a top-level key, None if it is missing."""
        return self.value(child(self._root, key))

    def entries(self, section: str) -> Iterator[tuple[str, yaml.MappingNode]]:
        """Yield name and node of each entry of a section: `users`, `clusters` or `contexts`."""
        sequence = child(self._root, section)
        for item in sequence.value if isinstance(sequence, yaml.SequenceNode) else ():
            name = child(item, "name")
            if isinstance(item, yaml.MappingNode) and name is not None:
                yield str(name.value), item

    def entry(self, section: str, name: str) -> yaml.MappingNode | None:
        """Return the entry of a section with this name."""
        return next((node for found, node in self.entries(section) if found == name), None)

    def place(self, node: yaml.Node) -> str:
        """Return `file:line:column` of a node."""
        return f"{self._path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"

    def replace(self, node: yaml.Node, value: Any) -> None:
        """Replace a node's value."""
        if self.value(node) == value:
            return
        start, end = node.start_mark.index, _end(node)
        if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            text = _block(value, node.start_mark.column)
        else:
            text = _flow(value)
            if start and self.text[start - 1] not in " \t\n":  # a null value directly after its colon
                text = f" {text}"
        self._edits.append(Edit(start, end, text))

    def set(self, mapping: yaml.MappingNode, key: str, value: Any) -> None:
        """Set a key of a mapping. A missing key is added at the end."""
        found = child(mapping, key)
        if found is not None:
            self.replace(found, value)
        elif mapping.flow_style or not mapping.value:
            self._insert_flow(mapping, f"{_flow(key)}: {_flow(value)}")
        else:
            column = mapping.value[0][0].start_mark.column
            self._edits.append(Edit(_end(mapping), _end(mapping), f"\n{' ' * column}{_block({key: value}, column)}"))

    def remove_item(self, sequence: yaml.SequenceNode, index: int) -> None:
        """Remove an item of a sequence, with its line in block style."""
        node = sequence.value[index]
        if sequence.flow_style:
            start = node.start_mark.index if index == 0 else _end(sequence.value[index - 1])
            last = index == len(sequence.value) - 1
            end = _end(node) if index or last else sequence.value[index + 1].start_mark.index
            self._edits.append(Edit(start, end, ""))
            return
        start = self.text.rfind("\n", 0, node.start_mark.index) + 1
        end = self.text.find("\n", _end(node)) + 1 or len(self.text)
        self._edits.append(Edit(start, end, ""))

    def append(self, section: str, value: Any) -> None:
        """Append an entry to a section, which is created if it is missing."""
        node = child(self._root, section)
        if (
            self._root is not None
            and self._root.flow_style
            and not (isinstance(node, yaml.SequenceNode) and node.value)
        ):
            # JSON, or YAML in flow style.
            if node is None:
                self._insert_flow(self._root, f"{_flow(section)}: {_flow([value])}")
            else:
                self._edits.append(Edit(node.start_mark.index, _end(node), _flow([value])))
        elif node is None:
            before = "" if not self.text or self.text.endswith("\n") else "\n"
            end = len(self.text)
            self._edits.append(Edit(end, end, f"{before}{section}:\n{_block([value], 0)}\n"))
        elif not isinstance(node, yaml.SequenceNode) or not node.value:
            start = node.start_mark.index
            # `users: []` and `users: null` become a block.
            while start and self.text[start - 1] == " ":
                start -= 1
            self._edits.append(Edit(start, _end(node), "\n" + _block([value], 0)))
        elif node.flow_style:
            self._insert_flow(node, _flow(value))
        else:
            column = node.start_mark.column
            self._edits.append(Edit(_end(node), _end(node), f"\n{' ' * column}{_block([value], column)}"))

    def set_root(self, key: str, value: str) -> None:
        """Set a top-level key to a string."""
        node = child(self._root, key)
        if node is not None:
            self.replace(node, value)
            return
        if self._root is not None and self._root.flow_style:
            self._insert_flow(self._root, f"{_flow(key)}: {_flow(value)}")
            return
        before = "" if not self.text or self.text.endswith("\n") else "\n"
        self._edits.append(Edit(len(self.text), len(self.text), f"{before}{_block({key: value}, 0)}\n"))

    def edited(self) -> str:
        """Return the text with all edits. Raises CommandError if the result isn't valid YAML."""
        text = self.text
        # Insertions at the same position keep their order.
        for _, edit in sorted(enumerate(self._edits), key=lambda pair: (pair[1].start, pair[0]), reverse=True):
            text = text[: edit.start] + edit.text + text[edit.end :]
        Document(text, self._path)
        return text

    def _insert_flow(self, node: yaml.CollectionNode, text: str) -> None:
        end = _end(node) - 1
        last = node.value[-1] if node.value else None
        place = end if last is None else _end(last[1] if isinstance(last, tuple) else last)
        self._edits.append(Edit(place, place, f", {text}" if last is not None else text))


def child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """Return the value of a key of a mapping node."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)


def _end(node: yaml.Node) -> int:
    """Return the end of a node's text. PyYAML's end of a block collection includes the comments that follow."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    index = int(node.end_mark.index)
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        text = node.end_mark.buffer
        while text is not None and index and text[index - 1] == "\n":
            index -= 1
    return index


def _block(value: Any, column: int) -> str:
    text = yaml.safe_dump(value, sort_keys=False, default_flow_style=False, width=_WIDTH, allow_unicode=True)
    return text.rstrip("\n").replace("\n", "\n" + " " * column)


def _flow(value: Any) -> str:
    if isinstance(value, str):
        plain = yaml.safe_dump(value, width=_WIDTH, allow_unicode=True).removesuffix("...\n").rstrip("\n")
        return json.dumps(value) if any(character in plain for character in ",[]{}\n") else plain
    return json.dumps(value)
