"""Decodes the events of a watch: a stream with one JSON object per line.

Source: Kubernetes, "Efficient detection of changes" and "Watch bookmarks".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from authd.exchange.errors import InvalidResponse
from authd.kubernetes.client import JSONObject, parse_object
from authd.kubernetes.status import error_of_status

#: etcd accepts objects of 1.5 MiB by default. As JSON they can be longer.
MAX_EVENT_BYTES = 8 * 1024 * 1024
#: A resourceVersion becomes part of the next request, so it may not have other characters.
_VERSION = re.compile(r"[!-~]{1,128}")
_NUMBER = re.compile(r"[1-9][0-9]*")


class EventType(StrEnum):
    """The type of an event. A bookmark only has the resourceVersion that the watch has reached."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


class Event(NamedTuple):
    """An event with its object. `version` is the object's resourceVersion."""

    type: EventType
    object: JSONObject
    version: str


class EventDecoder:
    """Splits a stream into events of at most `limit` bytes."""

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[Event]:
        """Add a part of the stream and yield the events that it completes.

        Raises `InvalidResponse` for an invalid event, and `StatusError` for an error that the server reports.
        """
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._keep(line)
            whole = b"".join(self._parts)
            self._parts, self._size = [], 0
            if whole.strip():
                yield _event(whole)
        self._keep(rest)

    def end(self) -> None:
        """Finish decoding. Raises `InvalidResponse` if the stream ended within an event."""
        if self._parts:
            raise InvalidResponse("the API server's watch ended within an event")

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            raise InvalidResponse(f"an event is longer than {self._limit} bytes")
        if part:
            self._parts.append(part)


def _event(line: bytes) -> Event:
    members = parse_object(line)
    kind, content = members.get("type"), members.get("object")
    if kind == "ERROR":
        raise error_of_status(content)
    if kind not in set(EventType) or not isinstance(content, dict):
        raise InvalidResponse("a watch event has no known type or no object")
    return Event(EventType(kind), content, version_of(content))


def version_of(content: JSONObject) -> str:
    """Return the resourceVersion of an object or list. Raises `InvalidResponse` if it has none."""
    metadata = content.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise InvalidResponse("an object has no resourceVersion")
    return version


def is_older(version: str, than: str) -> bool:
    """Return whether a resourceVersion is older than another one. False if they are not both decimal numbers.

    Source: Kubernetes API concepts, "Resource versions": they are increasing numbers.
    """
    comparable = _NUMBER.fullmatch(version) and _NUMBER.fullmatch(than)
    return bool(comparable) and (len(version), version) < (len(than), than)
