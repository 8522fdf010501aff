"""Settings that command line options give, put over those of the file."""

from __future__ import annotations

import re
from collections.abc import Mapping

from authd.config.document.nodes import MappingNode, Node, Scalar, matched

_INNER_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def option_of(path: str) -> str:
    """Return the command line option that overrides a setting: `--state-dir` for `server.stateDir`."""
    return "--" + _INNER_CAPITAL.sub("-", path.rpartition(".")[2]).lower()


def overridden(root: MappingNode, overrides: Mapping[str, str]) -> MappingNode:
    """Return a file's settings with texts put in by their paths, each with its option as its place."""
    for path, text in overrides.items():
        root = _with(root, path.split("."), Scalar(0, 0, text, plain=False, option=option_of(path)))
    return root


def _with(fields: MappingNode, names: list[str], value: Scalar) -> MappingNode:
    """Return a mapping with a value put in; where the way there leads through something else, that stays."""
    first, *rest = names
    written, inner = fields.entries.get(matched(first), (Scalar(0, 0, first, option=value.option), None))
    node: Node = value
    if rest:
        nothing = inner is None or (isinstance(inner, Scalar) and inner.is_null)
        below = MappingNode(0, 0, {}) if nothing or inner is None else inner
        node = _with(below, rest, value) if isinstance(below, MappingNode) else below
    return fields._replace(entries={**fields.entries, matched(first): (written, node)})
