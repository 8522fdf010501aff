"""The current objects of one kind, each reduced to a smaller value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from authd.exchange.errors import InvalidResponse
from authd.kubernetes.client import JSONObject
from authd.kubernetes.status import check_kind

Value = TypeVar("Value")


#: More than any cluster has. Bounds the memory that a hostile server can occupy.
MAX_OBJECTS = 100_000
#: Source: Kubernetes, "Object Names and IDs" (DNS subdomain names).
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


def check_object(content: JSONObject, kind: str, namespace: str, name: str) -> None:
    """Raise `InvalidResponse` for an object of another kind, namespace or name. An empty text matches any."""
    check_kind(content, kind)
    full_name, metadata = name_of(content), content["metadata"]
    if (namespace and metadata.get("namespace") != namespace) or (name and metadata["name"] != name):
        raise InvalidResponse(f"the API server sent {full_name}, which was not asked for")


def name_of(content: JSONObject) -> str:
    """Return an object's name, with its namespace if it has one. Raises `InvalidResponse` if it has no valid name."""
    metadata = content.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    namespace = metadata.get("namespace", "") if isinstance(metadata, dict) else ""
    if not isinstance(name, str) or not isinstance(namespace, str) or not _are_names(name, namespace):
        raise InvalidResponse("an object has no name")
    return f"{namespace}/{name}" if namespace else name


def _are_names(name: str, namespace: str) -> bool:
    return bool(_NAME.fullmatch(name)) and (not namespace or bool(_NAME.fullmatch(namespace)))


class ObjectCache(Generic[Value]):
    """Stores the value that `read` returns for each object, by name. `changed` is called after each change.

    `read` returns the stored value itself if the object has not changed. A list replaces the objects when it is
    complete.
    """

    def __init__(self, read: Callable[[JSONObject], Value], changed: Callable[[], None]) -> None:
        self._read = read
        self._changed = changed
        self._objects: dict[str, Value] = {}
        self._listing: dict[str, Value] = {}

    @property
    def objects(self) -> Mapping[str, Value]:
        """The objects by name."""
        return MappingProxyType(self._objects)

    def begin_list(self) -> None:
        """Start a new list."""
        self._listing = {}

    def clear(self) -> None:
        """Remove all objects without calling `changed`, after the source has stopped."""
        self._objects, self._listing = {}, {}

    def add_listed(self, content: JSONObject) -> None:
        """Add an object to the list. Raises `InvalidResponse` if the list already has it."""
        name = name_of(content)
        if name in self._listing:
            raise InvalidResponse(f"the API server's list has {name} twice")
        self._listing[name] = self._read(content)

    def end_list(self) -> None:
        """Replace all objects by those of the list."""
        self._objects, self._listing = self._listing, {}
        self._changed()

    def put(self, content: JSONObject) -> None:
        """Store a new or changed object. Raises `InvalidResponse` beyond `MAX_OBJECTS`."""
        name, value = name_of(content), self._read(content)
        if self._objects.get(name) is not value:
            self._objects[name] = value
            if len(self._objects) > MAX_OBJECTS:
                raise InvalidResponse(f"the API server sent more than {MAX_OBJECTS} objects")
            self._changed()

    def remove(self, content: JSONObject) -> None:
        """Remove a deleted object."""
        if self._objects.pop(name_of(content), None) is not None:
            self._changed()
