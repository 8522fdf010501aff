"""Watch events out of a stream: one JSON object a line.

Source: Kubernetes, "Efficient detection of changes" and "Watch bookmarks".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from authd.exchange.errors import BadAnswer
from authd.kubernetes.client import JSONObject, parse_object
from authd.kubernetes.status import error_of_status

#: etcd takes objects of 1.5 MiB by default; as JSON they can be longer.
MAX_EVENT_BYTES = 8 * 1024 * 1024
#: It is sent back in the next request.
_VERSION = re.compile(r"[!-~]{1,128}")
_NUMBER = re.compile(r"[1-9][0-9]*")


class EventType(StrEnum):
    """What happened to the object of an event; a bookmark only says how far the watch is."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


class Event(NamedTuple):
    """One event."""

    type: EventType
    object: JSONObject
    version: str


class EventDecoder:
    """Cuts a stream into events of at most `limit` bytes."""

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take a piece of the stream and return the events that it completes.

        Raises `BadAnswer` for what is no event, and `StatusError` for an error that the server reports.
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
        """Take the end of the stream; raises `BadAnswer` if it is within an event."""
        if self._parts:
            raise BadAnswer("the API server's watch ended within an event")

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            raise BadAnswer(f"an event is longer than {self._limit} bytes")
        if part:
            self._parts.append(part)


def _event(line: bytes) -> Event:
    members = parse_object(line)
    kind, content = members.get("type"), members.get("object")
    if kind == "ERROR":
        raise error_of_status(content)
    if kind not in set(EventType) or not isinstance(content, dict):
        raise BadAnswer("a watch event has no known type or no object")
    return Event(EventType(kind), content, version_of(content))


def version_of(content: JSONObject) -> str:
    """Return an object's or list's resourceVersion; raises `BadAnswer` if it has none."""
    metadata = content.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise BadAnswer("an object has no resourceVersion")
    return version


def is_older(version: str, than: str) -> bool:
    """Tell whether a resourceVersion is older than another one. Only decimal numbers are compared.

    Source: Kubernetes API concepts, "Resource versions": they are numbers that grow.
    """
    comparable = _NUMBER.fullmatch(version) and _NUMBER.fullmatch(than)
    return bool(comparable) and (len(version), version) < (len(than), than)
