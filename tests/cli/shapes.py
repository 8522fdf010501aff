"""Compares JSON output of commands with the documented shapes."""

from __future__ import annotations

import json
from typing import Any

from authd.cli.reference import SHAPES

_TYPES = {"string": str, "number": (int, float), "boolean": bool, "any": object}


def parsed(command: str, text: str) -> Any:
    """Parse a command's JSON output, and assert that it has the documented shape."""
    value = json.loads(text)
    faults = list(_faults(value, SHAPES[command], command))
    assert not faults, faults
    return value


def _faults(value: Any, shape: Any, place: str) -> Any:
    if isinstance(shape, str):
        expected = _TYPES[shape]
        if not isinstance(value, expected) or (shape == "number" and isinstance(value, bool)):
            yield f"{place} is no {shape}: {value!r}"
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{place} is no list: {value!r}"
        else:
            for each in value:
                yield from _faults(each, shape[0], f"{place}[]")
    elif not isinstance(value, dict):
        yield f"{place} is no object: {value!r}"
    else:
        yield from _object_faults(value, shape, place)


def _object_faults(value: dict[str, Any], shape: dict[str, Any], place: str) -> Any:
    known = {name.removesuffix("?"): (name.endswith("?"), each) for name, each in shape.items() if name != "*"}
    for name, (optional, each) in known.items():
        if value.get(name) is not None:
            yield from _faults(value[name], each, f"{place}.{name}")
        elif not optional:
            yield f"{place}.{name} is missing"
    for name in value.keys() - known.keys():
        if "*" in shape:
            yield from _faults(value[name], shape["*"], f"{place}.{name}")
        else:
            yield f"{place}.{name} is not documented"
