"""JSON from outside: one object, UTF-8, no duplicate keys, no NaN, bounded; or one exception.

Source: RFC 8259; where it leaves a choice to the parser (section 4, duplicate names), the answer here is no.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NoReturn

#: What is read here nests five deep. How deep Python's own parser goes differs from release to release.
MAX_DEPTH = 64


class InvalidJson(ValueError):
    """The bytes are not a JSON object that this project reads."""


def parse_object(body: bytes, limit: int) -> dict[str, object]:
    """Read one JSON object of at most `limit` bytes.

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
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # an escaped lone surrogate is no character
    except InvalidJson:
        raise
    except (ValueError, RecursionError):
        raise InvalidJson("not strict JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise InvalidJson("not a JSON object")
    return value


def _nests_deeper(value: object) -> bool:
    """Say whether something nests deeper than `MAX_DEPTH`; a level at a time, since it may."""
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
        raise InvalidJson("a key stands twice")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJson(f"{name} is not JSON")


_SPACE = " \t\n\r"
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
