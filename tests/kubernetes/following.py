"""Runs a reflector, and records its problems."""

from __future__ import annotations

from authd.kubernetes.backoff import Backoff
from authd.kubernetes.object_cache import ObjectCache
from authd.kubernetes.reflector import Reflector
from tests.kubernetes.reactor_thread import wait_until


class Following:
    """A running reflector. `values` is the content of its cache."""

    def __init__(self, thread, client, resource, silence=30.0) -> None:
        self.changes = 0
        self.problems: list[str] = []
        self.cache = ObjectCache(lambda content: content["data"]["n"], self._changed)
        self.reflector = Reflector(
            thread.reactor,
            client,
            resource,
            self.cache,
            reported=lambda: self.problems.append(self.reflector.problem),
            silence=silence,
            backoff=Backoff(lambda: 0.0, first=0.02, longest=0.1),
        )
        self._thread = thread

    def __enter__(self):
        self._thread.call(self.reflector.start)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.call(self.reflector.stop)

    def _changed(self) -> None:
        self.changes += 1

    @property
    def values(self) -> dict[str, str]:
        return dict(self.cache.objects)

    def until(self, **values: str) -> None:
        wait_until(lambda: self.values == {f"kube-system/{name}": value for name, value in values.items()})
