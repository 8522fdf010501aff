"""Wrong variants of a regular expression: one character, class, quantifier, group or alternative is changed."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(r"\\.|\[\^?(?:\\.|[^\]\\])+\]|\{\d+(?:,\d*)?\}[?+]?|[*+?][?+]?|\(\?(?:[:>=!]|<[=!])|.", re.DOTALL)
_ITEM = re.compile(r"(\\.|.)-(\\.|.)|\\.|.", re.DOTALL)
_BRACES = re.compile(r"\{(\d+)(?:(,)(\d*))?\}([?+]?)")
#: A string with one of these counts as a regular expression, or as a part of one.
LOOKS_LIKE_ONE = re.compile(r"[\])][*+?{]|\(\?|\[\^|\[.-.")


def variants(text: str) -> Iterator[str]:
    """Yield every variant with one change, valid or not."""
    tokens = _TOKEN.findall(text)
    for place, token in enumerate(tokens):
        for changed in _instead_of(token, last=place + 1 == len(tokens) or tokens[place + 1][0] not in "*+?{"):
            yield "".join([*tokens[:place], changed, *tokens[place + 1 :]])
        if token == "|":
            yield "".join(tokens[:place] + tokens[_end(tokens, place) :])
            yield "".join(tokens[: _begin(tokens, place) + 1] + tokens[place + 1 :])


def _instead_of(token: str, *, last: bool) -> Iterator[str]:
    if braces := _BRACES.fullmatch(token):
        yield from _other_counts(int(braces[1]), braces[2], braces[3], braces[4])
    elif token[0] in "*+?":
        yield from ({"*": "+", "+": "*", "?": ""}[token[0]] + token[1:], token[1:] and token[0], "")
    elif token[0] == "[" and token[-1] == "]":
        yield from _other_classes(token)
    elif token == "(?>":
        yield "(?:"
    elif token == ")":
        yield from [")?"] if last else []
    elif token not in "(|" and not token.startswith("(?"):
        yield ""
        if token != ".":
            yield "."


def _other_counts(least: int, comma: str | None, most: str | None, suffix: str) -> Iterator[str]:
    yield suffix and f"{{{least}{comma or ''}{most or ''}}}"
    yield ""
    if not comma:
        yield from (f"{{{count}}}{suffix}" for count in (least - 1, least + 1) if count >= 0)
        yield from (f"{{{least},}}{suffix}", f"{{0,{least}}}{suffix}")
        return
    yield from (f"{{{count},{most}}}{suffix}" for count in (least - 1, least + 1) if count >= 0)
    if most:
        yield from (f"{{{least},{int(most) + step}}}{suffix}" for step in (-1, 1))
        yield f"{{{least},}}{suffix}"


def _other_classes(token: str) -> Iterator[str]:
    start = 2 if token[1] == "^" else 1
    yield "[" + token[start:] if start == 2 else "[^" + token[1:]
    yield "."
    items = list(_ITEM.finditer(token[start:-1]))
    others = [item[0] for item in items]
    for place, item in enumerate(items):
        for changed in _other_ranges(item[1], item[2]) if item[1] else ():
            yield token[:start] + "".join([*others[:place], changed, *others[place + 1 :]]) + "]"
        if len(items) > 1:
            yield token[:start] + "".join(others[:place] + others[place + 1 :]) + "]"


def _other_ranges(first: str, last: str) -> Iterator[str]:
    low, high = ord(first[-1]), ord(last[-1])
    for begin, end in ((low - 1, high), (low + 1, high), (low, high - 1), (low, high + 1)):
        yield f"\\x{begin:02x}-\\x{end:02x}"


def _end(tokens: list[str], place: int) -> int:
    depth = 0
    for at in range(place + 1, len(tokens)):
        depth += (tokens[at][0] == "(") - (tokens[at] == ")")
        if depth < 0 or (depth == 0 and tokens[at] == "|"):
            return at
    return len(tokens)


def _begin(tokens: list[str], place: int) -> int:
    depth = 0
    for at in range(place - 1, -1, -1):
        depth += (tokens[at] == ")") - (tokens[at][0] == "(")
        if depth < 0 or (depth == 0 and tokens[at] == "|"):
            return at
    return -1
