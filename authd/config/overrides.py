"""Merges command line options into the settings of a file."""

from __future__ import annotations

import re
from collections.abc import Mapping

from authd.config.document.nodes import MappingNode, Node, Origin, Scalar, is_absent, matched
from authd.config.settings import NOTHING

_INNER_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def option_of(path: str) -> str:
    """Return the command line option that overrides a setting: `--state-dir` for `server.stateDir`."""
    return "--" + _INNER_CAPITAL.sub("-", path.rpartition(".")[2]).lower()


def overridden(root: MappingNode, overrides: Mapping[str, str], defaults: Mapping[str, str] = NOTHING) -> MappingNode:
    """Return a file's settings with values added by their paths. The origin of each is its option.

    `overrides` replace the file's values, `defaults` are for settings that it lacks. An empty override is ignored.
    """
    for path, text in defaults.items():
        root = _with(root, path.split("."), _scalar(path, text), replace=False)
    for path, text in overrides.items():
        if text:
            root = _with(root, path.split("."), _scalar(path, text), replace=True)
    return root


def _scalar(path: str, text: str) -> Scalar:
    return Scalar(0, 0, text, plain=False, origin=Origin(option=option_of(path)))


def _with(fields: MappingNode, names: list[str], value: Scalar, *, replace: bool) -> MappingNode:
    """Return a mapping with a value added. Nothing is added if a part of the path is not a mapping."""
    first, *others = names
    written, inner = fields.entries.get(matched(first), (Scalar(0, 0, first, origin=value.origin), None))
    node: Node = value
    if others:
        below = MappingNode(0, 0, {}) if inner is None or is_absent(inner) else inner
        node = _with(below, others, value, replace=replace) if isinstance(below, MappingNode) else below
    elif not replace and inner is not None and not is_absent(inner):
        node = inner
    return fields._replace(entries={**fields.entries, matched(first): (written, node)})
