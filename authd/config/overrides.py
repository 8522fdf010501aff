"""Settings that command line options give, put over those of the file."""

from __future__ import annotations

import re
from collections.abc import Mapping

from authd.config.nodes import Fields, Node, Scalar, matched

_INNER_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def option_of(path: str) -> str:
    """Return the command line option that overrides a setting: `--state-dir` for `server.stateDir`."""
    return "--" + _INNER_CAPITAL.sub("-", path.rpartition(".")[2]).lower()


def overridden(root: Fields, overrides: Mapping[str, str]) -> Fields:
    """Return a file's settings with texts put in by their paths, each with its option as its place."""
    for path, text in overrides.items():
        root = _with(root, path.split("."), Scalar(0, 0, text, plain=False, option=option_of(path)))
    return root


def _with(fields: Fields, names: list[str], value: Scalar) -> Fields:
    """Return a mapping with a value put in; where the way there leads through something else, that stays."""
    first, *rest = names
    written, inner = fields.entries.get(matched(first), (Scalar(0, 0, first, option=value.option), None))
    node: Node = value
    if rest:
        nothing = inner is None or (isinstance(inner, Scalar) and inner.is_null)
        below = Fields(0, 0, {}) if nothing or inner is None else inner
        node = _with(below, rest, value) if isinstance(below, Fields) else below
    return fields._replace(entries={**fields.entries, matched(first): (written, node)})
