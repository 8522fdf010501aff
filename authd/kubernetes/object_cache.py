"""The objects of one kind as the API server last told, each read into something smaller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from authd.exchange.errors import BadAnswer
from authd.kubernetes.client import JSONObject

Value = TypeVar("Value")


def name_of(content: JSONObject) -> str:
    """Return an object's name, with its namespace if it has one; raises `BadAnswer` for an object without a name."""
    metadata = content.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    namespace = metadata.get("namespace", "") if isinstance(metadata, dict) else ""
    if not isinstance(name, str) or not name or not isinstance(namespace, str):
        raise BadAnswer("an object has no name")
    return f"{namespace}/{name}" if namespace else name


class ObjectCache(Generic[Value]):
    """Holds what `read` makes of each object, by name. `changed` is called after each change.

    A list that is under way replaces nothing until it is complete.
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
        """Begin a new list."""
        self._listing = {}

    def add_listed(self, content: JSONObject) -> int:
        """Take an object of the list, and return how many it has so far."""
        self._listing[name_of(content)] = self._read(content)
        return len(self._listing)

    def end_list(self) -> None:
        """Put the list in place of what was there."""
        self._objects, self._listing = self._listing, {}
        self._changed()

    def put(self, content: JSONObject) -> None:
        """Take a new or changed object. If `read` returns the value that is there, nothing has changed."""
        name, value = name_of(content), self._read(content)
        if self._objects.get(name) is not value:
            self._objects[name] = value
            self._changed()

    def remove(self, content: JSONObject) -> None:
        """Forget an object that was deleted."""
        if self._objects.pop(name_of(content), None) is not None:
            self._changed()
