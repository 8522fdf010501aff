"""Edits a YAML list of rules as text, so that comments, order and style of other rules stay."""

from __future__ import annotations

from authd.cli.mappings.plain_rule import PlainRule, entry_yaml, rule_of_node
from authd.cli.shared.errors import CommandError
from authd.config.document.decoding import Unreadable, decoding
from authd.config.document.nodes import Node, SequenceNode, is_absent
from authd.config.document.problems import Problems
from authd.config.document.tree import reading_tree
from authd.core.cooperative import finish


class YAMLList:
    """The text of a list, such as `mapRoles` in aws-auth. `kind` is that of its rules, `place` its name in messages."""

    def __init__(self, text: str, kind: str, place: str) -> None:
        self.text = text
        self._kind = kind
        self._place = place
        self._root = self._parse()

    @property
    def rules(self) -> list[PlainRule]:
        """The rules, in their order."""
        rules = [rule_of_node(node, self._kind, f"{self._place}:{node.line}:{node.column}") for node in self._nodes]
        return [rule for rule in rules if rule is not None]

    def with_added(self, rule: PlainRule) -> str:
        """Return the text with a rule at its end."""
        if not self._nodes:
            return self._comments() + entry_yaml(rule)
        self._refuse_flow_style()
        indentation = " " * (self._root.column - 1)
        text = self.text if self.text.endswith("\n") else f"{self.text}\n"
        return text + "".join(f"{indentation}{line}\n" for line in entry_yaml(rule).splitlines())

    def with_removed(self, key: str) -> str:
        """Return the text without the rules for a principal."""
        lines = self.text.splitlines(keepends=True)
        starts = [*(self._dash(lines, node) for node in self._nodes), len(lines)]
        removed = [
            (start, self._end(lines, start, after))
            for node, start, after in zip(self._nodes, starts, starts[1:], strict=False)
            if (rule := rule_of_node(node, self._kind, "")) is not None and rule.key == key
        ]
        if removed:
            self._refuse_flow_style()
        for start, end in reversed(removed):
            del lines[start:end]
        text = "".join(lines)
        return f"{text}[]\n" if len(removed) == len(self._nodes) and removed else text

    @property
    def _nodes(self) -> list[Node]:
        return self._root.nodes if isinstance(self._root, SequenceNode) else []

    def _parse(self) -> Node:
        problems = Problems(self._place)
        try:
            root = finish(reading_tree(finish(decoding(self.text.encode())), problems, {}))
        except Unreadable as fault:
            raise CommandError(f"{self._place}:{fault.line}:{fault.column}: {fault.message}") from None
        problems.raise_errors()
        if not isinstance(root, SequenceNode) and not is_absent(root):
            raise CommandError(f"{self._place} is not a list: correct it first")
        return root

    def _refuse_flow_style(self) -> None:
        lines = self.text.splitlines()
        if not lines[self._root.line - 1][self._root.column - 1 :].startswith("-"):
            raise CommandError(f"{self._place} is written in brackets: write it as a list with dashes first")

    def _comments(self) -> str:
        """Return the comments of a text without rules."""
        return "".join(f"{line}\n" for line in self.text.splitlines() if line.lstrip().startswith("#"))

    def _dash(self, lines: list[str], node: Node) -> int:
        """Return the index of the line with an item's dash, which may precede the item's first key."""
        index = node.line - 1
        while index > 0 and lines[index][self._root.column - 1 : self._root.column] != "-":
            index -= 1
        return index

    def _end(self, lines: list[str], start: int, after: int) -> int:
        """Return the end of an item. Comments and empty lines before the next item belong to the next item."""
        end = after
        while end > start + 1 and (not lines[end - 1].strip() or self._is_outer_comment(lines[end - 1])):
            end -= 1
        return end

    def _is_outer_comment(self, line: str) -> bool:
        return line.lstrip().startswith("#") and len(line) - len(line.lstrip()) < self._root.column
