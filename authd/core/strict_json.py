"""Strict JSON: an object in UTF-8, of bounded size, without duplicate keys or NaN.

Source: RFC 8259. If it leaves a choice to the parser (section 4, duplicate names), this parser raises an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NoReturn

#: Expected documents nest five deep. The limit of Python's own parser differs between releases.
MAX_DEPTH = 64


class InvalidJson(ValueError):
    """The bytes are not a strict JSON object."""


def parse_object(body: bytes, limit: int) -> dict[str, object]:
    """Parse one JSON object of at most `limit` bytes.

    Raises `InvalidJson` for anything else: other encodings, duplicate keys, NaN, nesting over `MAX_DEPTH`, numbers of
    thousands of digits, lone surrogates.
    """
    if len(body) > limit:
        raise InvalidJson(f"longer than {limit} bytes")
    try:
        text = body.decode("utf-8").strip(_SPACE)
        value, end = _DECODER.raw_decode(text)
        if end != len(text) or (text.count("[") + text.count("{") > MAX_DEPTH and _nests_deeper(value)):
            raise ValueError
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # fails for an escaped lone surrogate
    except InvalidJson:
        raise
    except (ValueError, RecursionError):
        raise InvalidJson("not strict JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise InvalidJson("not a JSON object")
    return value


def decode_value(text: str, place: int) -> tuple[object, int]:
    """Parse the value that begins at the offset `place` of a text. Returns it with the offset of its end.

    Raises `InvalidJson` as `parse_object` does, but checks neither size nor depth: the caller must bound the text.
    """
    try:
        value, end = _DECODER.raw_decode(text, place)
        if text.find("\\u", place, end) >= 0:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # fails for an escaped lone surrogate
    except (ValueError, RecursionError):
        raise InvalidJson("not strict JSON in UTF-8") from None
    return value, end


def _nests_deeper(value: object) -> bool:
    """Return whether a value nests deeper than `MAX_DEPTH`. Iterates by level, since recursion could overflow."""
    level: Iterable[object] = [value]
    for _ in range(MAX_DEPTH):
        level = [part for whole in level for part in _parts(whole)]
    return any(isinstance(part, dict | list) for part in level)


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise InvalidJson("a key is duplicated")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJson(f"{name} is not JSON")


_SPACE = " \t\n\r"
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
