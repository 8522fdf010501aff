"""All mutants of a module: its code with one change, and a name that does not depend on other lines."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from tests.mutation.changes import changes, compiles_regex, is_text

#: Not mutated: annotations are strings that never run, and operators are changed together with their expression.
_SKIPPED = {"annotation", "returns", "type_comment", "ctx", "op", "ops"}
#: Characters of a long expression in a name.
_LONGEST = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One wrong variant. `name` has the place and the change, `line` is for the report alone."""

    line: int
    name: str
    code: CodeType


@dataclass(frozen=True, slots=True)
class _Place:
    """A node with its position and context."""

    parent: ast.AST
    field: str
    index: int | None
    node: ast.AST
    scope: str
    line: int
    regex: bool

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def mutants(path: Path) -> Iterator[Mutant]:
    """Yield the mutants of a file in the order of its text, without those that don't compile."""
    tree = ast.parse(path.read_text("utf-8"))
    siblings = _siblings(tree)
    names: Counter[str] = Counter()
    for place in list(_places(tree, "", 1, regex=False)):
        before = ast.unparse(place.node)
        for changed in changes(place.node, regex=place.regex, siblings=siblings):
            place.put(ast.copy_location(changed, place.node))
            try:
                code = compile(ast.fix_missing_locations(tree), str(path), "exec")
            except (SyntaxError, ValueError, TypeError):
                continue
            finally:
                place.put(place.node)
            if (after := ast.unparse(changed)) != before:
                name = f"{place.scope}: {_difference(before, after)}"
                names[name] += 1
                yield Mutant(line=place.line, name=name + f" #{names[name]}" * (names[name] > 1), code=code)


def _siblings(tree: ast.AST) -> dict[str, list[str]]:
    """Return the used attributes of each value."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr not in found.setdefault(ast.unparse(node.value), []):
            found[ast.unparse(node.value)].append(node.attr)
    return found


def _places(parent: ast.AST, scope: str, line: int, *, regex: bool) -> Iterator[_Place]:
    regex = regex or compiles_regex(parent)
    if isinstance(parent, ast.FunctionDef | ast.ClassDef):
        scope = f"{scope}.{parent.name}".strip(".")
    for field, value in ast.iter_fields(parent):
        for index, node in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(node, ast.AST) or field in _SKIPPED or is_text(node):
                continue
            line = getattr(node, "lineno", line)
            yield _Place(
                parent, field, index if isinstance(value, list) else None, node, scope or "module", line, regex
            )
            yield from _places(node, scope, line, regex=regex)


def _difference(before: str, after: str) -> str:
    """Describe the change in one line, without a common prefix and suffix if the texts are long."""
    before, after = (" ".join(text.split()) for text in (before, after))
    while len(before) > _LONGEST and before[:40] == after[:40]:
        before, after = before[20:], after[20:]
    while len(before) > _LONGEST and before[-40:] == after[-40:]:
        before, after = before[:-20], after[:-20]
    return f"{before[: 2 * _LONGEST]} -> {after[: 2 * _LONGEST] or 'nothing'}"
