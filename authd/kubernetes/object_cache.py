"""The objects of one kind as the API server last told, each read into something smaller."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from authd.exchange.errors import BadAnswer
from authd.kubernetes.client import JSONObject
from authd.kubernetes.status import check_kind

Value = TypeVar("Value")


#: More than any cluster has: a lying server must not fill the memory.
MAX_OBJECTS = 100_000
#: Source: Kubernetes, "Object Names and IDs" (DNS subdomain names).
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


def check_object(content: JSONObject, kind: str, namespace: str, name: str) -> None:
    """Raise `BadAnswer` for an object of another kind, namespace or name. An empty one stands for any."""
    check_kind(content, kind)
    full_name, metadata = name_of(content), content["metadata"]
    if (namespace and metadata.get("namespace") != namespace) or (name and metadata["name"] != name):
        raise BadAnswer(f"the API server sent {full_name}, which was not asked for")


def name_of(content: JSONObject) -> str:
    """Return an object's name, with its namespace if it has one; raises `BadAnswer` for an object without a name."""
    metadata = content.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    namespace = metadata.get("namespace", "") if isinstance(metadata, dict) else ""
    if not isinstance(name, str) or not isinstance(namespace, str) or not _are_names(name, namespace):
        raise BadAnswer("an object has no name")
    return f"{namespace}/{name}" if namespace else name


def _are_names(name: str, namespace: str) -> bool:
    return bool(_NAME.fullmatch(name)) and (not namespace or bool(_NAME.fullmatch(namespace)))


class ObjectCache(Generic[Value]):
    """Holds what `read` makes of each object, by name. `changed` is called after each change.

    `read` returns the value that is there if nothing has changed. A list that is under way replaces nothing until it is
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
        """Begin a new list."""
        self._listing = {}

    def clear(self) -> None:
        """Forget all objects without a word: the source has stopped."""
        self._objects, self._listing = {}, {}

    def add_listed(self, content: JSONObject) -> None:
        """Take an object of the list; raises `BadAnswer` if the list has it already."""
        name = name_of(content)
        if name in self._listing:
            raise BadAnswer(f"the API server's list has {name} twice")
        self._listing[name] = self._read(content)

    def end_list(self) -> None:
        """Put the list in place of what was there."""
        self._objects, self._listing = self._listing, {}
        self._changed()

    def put(self, content: JSONObject) -> None:
        """Take a new or changed object; raises `BadAnswer` beyond `MAX_OBJECTS`."""
        name, value = name_of(content), self._read(content)
        if self._objects.get(name) is not value:
            self._objects[name] = value
            if len(self._objects) > MAX_OBJECTS:
                raise BadAnswer(f"the API server sent more than {MAX_OBJECTS} objects")
            self._changed()

    def remove(self, content: JSONObject) -> None:
        """Forget an object that was deleted."""
        if self._objects.pop(name_of(content), None) is not None:
            self._changed()
