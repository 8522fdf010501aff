"""The source EKSConfigMap: the ConfigMap aws-auth in the namespace kube-system."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any

from twisted.internet.task import Cooperator

from authd.config.rules.aws_auth import PLACE, reading_aws_auth
from authd.core.errors import Problem
from authd.exchange.errors import InvalidResponse
from authd.kubernetes.client import APIClient, JSONObject
from authd.kubernetes.listing import Resource
from authd.kubernetes.object_cache import ObjectCache
from authd.kubernetes.reflector import Reflector
from authd.sources.cluster.table_copy import NO_COPY, StoredCopy
from authd.sources.in_force import InForce
from authd.sources.publisher import Content, Publisher

NAMESPACE, NAME = "kube-system", "aws-auth"
_FULL_NAME = f"{NAMESPACE}/{NAME}"
COLLECTION = f"/api/v1/namespaces/{NAMESPACE}/configmaps"


class EKSConfigMap:
    """Watches the ConfigMap. If it is broken or deleted, the mappings stay."""

    name = "EKSConfigMap"

    def __init__(
        self,
        reactor: Any,
        client: APIClient,
        *,
        in_force: InForce,
        cooperator: Cooperator,
        partitions: Iterable[str],
        reloaded: Callable[[str], None] = lambda _: None,
        copy: StoredCopy = NO_COPY,
        watch_failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._in_force = in_force
        self._watch_failed = watch_failed
        self._partitions = tuple(partitions)
        self._copy = copy
        self._publisher = Publisher(self.name, in_force, cooperator, self._build, reloaded, changed=copy.changed)
        self._cache: ObjectCache[Mapping[str, str]] = ObjectCache(self._read, self._changed)
        resource = Resource(path=COLLECTION, kind="ConfigMap", name=NAME)
        self._reflector = Reflector(reactor, client, resource, self._cache, reported=self._reported)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The errors because of which the latest content is not in force."""
        copied = copy_in_force(self._in_force, self.name, PLACE)
        return (*reachability(self._reflector, PLACE), *copied, *self._publisher.problems)

    def start(self) -> None:
        """Start watching. Until the first list, the mappings of the copy on disk are in force."""
        self._publisher.published = self._copy.load()
        self._reflector.start()

    def check(self) -> None:
        """Renew the time of the copy on disk. Changes need no check, because the watch reports them."""
        if not self._reflector.problem:
            self._copy.confirm()

    def stop(self) -> None:
        """Stop watching."""
        self._reflector.stop()
        self._publisher.stop()
        self._cache.clear()  # this object may never be garbage-collected, see `keep_first_table`
        self._copy.stop()

    def _reported(self) -> None:
        if self._reflector.problem:
            self._watch_failed()

    def _read(self, content: JSONObject) -> Mapping[str, str]:
        """Return the data, the earlier object if it is equal, so that a change of labels alone builds no table."""
        data, earlier = _data_of(content), self._cache.objects.get(_FULL_NAME)
        return earlier if earlier is not None and data == earlier else data

    def _changed(self) -> None:
        # If the ConfigMap is missing at the first list, a copy from disk is replaced by an empty table.
        if _FULL_NAME in self._cache.objects or self.name in self._in_force.copies:
            self._publisher.publish()
        elif self._publisher.published:
            message = "it was deleted; create it again, or remove EKSConfigMap from server.backendMode"
            self._publisher.broken((Problem(file=PLACE, line=0, column=0, message=message),))

    def _build(self) -> Generator[None, None, Content]:
        settings = self._in_force.settings
        found = yield from reading_aws_auth(
            self._cache.objects.get(_FULL_NAME, {}),
            self._partitions,
            partition=settings.partition,
            patterns=settings.role_patterns,
            reserved=settings.reserved_by(self.name),
        )
        return Content(found.table, found.errors, found.warnings)


def reachability(reflector: Reflector, place: str) -> tuple[Problem, ...]:
    """Return the problem of a source whose watch is not up to date, nothing if it is."""
    message = reflector.problem or ("" if reflector.synced else "the API server has not answered yet")
    return (Problem(file=place, line=0, column=0, message=message),) if message else ()


def copy_in_force(in_force: InForce, source: str, place: str) -> tuple[Problem, ...]:
    """Return the problem of a source whose mappings are a copy from disk, nothing if they are not."""
    copy = in_force.copies.get(source)
    return () if copy is None else (Problem(file=place, line=0, column=0, message=f"in force is {copy.described()}"),)


def _data_of(config_map: JSONObject) -> Mapping[str, str]:
    data = config_map.get("data")
    texts: Mapping[str, str] = data if isinstance(data, dict) else {}
    if (data is not None and not isinstance(data, dict)) or not all(isinstance(text, str) for text in texts.values()):
        raise InvalidResponse(f"the API server sent {PLACE} with data that is not text")
    return texts
