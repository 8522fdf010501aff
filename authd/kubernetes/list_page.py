"""Parses the response of a list object by object, so that a long one can be processed in short steps.

Source: Kubernetes API concepts, "Retrieving large results sets in chunks".
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from authd.core.strict_json import InvalidJson, decode_value
from authd.exchange.errors import InvalidResponse
from authd.kubernetes.client import JSONObject
from authd.kubernetes.events import version_of
from authd.kubernetes.status import check_kind

#: A continue token contains a resourceVersion and a name, in some hundred characters.
MAX_TOKEN = 8192
_SPACE = re.compile(r"[ \t\r\n]*")


class ListPage:
    """One page of a list of `kind`. `version` and `token` are set when `items` has finished."""

    def __init__(self, body: bytes, kind: str) -> None:
        self._body = body
        self._kind = kind
        self._members: JSONObject = {}
        self._has_items = False
        self.version = ""
        self.token = ""

    def items(self) -> Iterator[JSONObject]:
        """Yield the objects. Raises `InvalidResponse` for an invalid list, `StatusError` for an API server's error."""
        try:
            text = self._body.decode("utf-8")
            end = yield from self._read(text)
            if _skip_space(text, end) != len(text):
                raise InvalidJson("there is more than one value")
        except (ValueError, IndexError):
            raise InvalidResponse("the API server's list is not JSON") from None
        self._check()

    def _read(self, text: str) -> Generator[JSONObject, None, int]:
        place = _expect(text, 0, "{")
        while True:
            key, place = decode_value(text, place)
            if not isinstance(key, str) or key in self._members:
                raise InvalidJson("a key is not a string, or is duplicated")
            place = _expect(text, place, ":")
            if key == "items" and text[place] == "[":
                self._members[key] = self._has_items = True
                place = yield from _items(text, place + 1)
            else:
                self._members[key], place = decode_value(text, place)
            place = _skip_space(text, place)
            if text[place] == "}":
                return place + 1
            place = _expect(text, place, ",")

    def _check(self) -> None:
        check_kind(self._members, self._kind, "List")
        if not self._has_items and self._members.get("items", "") is not None:
            raise InvalidResponse("the API server's answer has no list of items")
        self.version = version_of(self._members)
        token = self._members["metadata"].get("continue") or ""
        if not isinstance(token, str) or len(token) > MAX_TOKEN:
            raise InvalidResponse("the API server's list has no usable token for its next page")
        self.token = token


def _items(text: str, place: int) -> Generator[JSONObject, None, int]:
    place = _skip_space(text, place)
    while text[place] != "]":
        item, place = decode_value(text, place)
        if not isinstance(item, dict):
            raise InvalidResponse("the API server's list has an item that is not an object")
        yield item
        place = _skip_space(text, place)
        if text[place] != "]":
            place = _expect(text, place, ",")
    return place + 1


def _skip_space(text: str, place: int) -> int:
    """Return the index after any white space."""
    match = _SPACE.match(text, place)
    return match.end() if match else place


def _expect(text: str, place: int, mark: str) -> int:
    """Return the index after a punctuation mark and white space around it. Raises `InvalidJson` if it is missing."""
    place = _skip_space(text, place)
    if not text.startswith(mark, place):
        raise InvalidJson("a mark is missing")
    return _skip_space(text, place + 1)
