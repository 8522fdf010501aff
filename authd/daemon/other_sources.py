"""Builds the sources of `server.backendMode` other than the settings file.

A source's modules are imported only if it is used, because together they take a megabyte.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Cooperator

from authd.core.errors import ConfigError, Problem
from authd.sources.changed_file import short_slice
from authd.sources.in_force import InForce
from authd.sources.lockout_guard import SeenIdentities
from authd.sources.source import Source


def other_sources(
    reactor: Any,
    in_force: InForce,
    partitions: Iterable[str],
    *,
    seen: SeenIdentities,
    reloads_of: Callable[[str], Callable[[str], None]],
    count: Callable[[str], None] = lambda _: None,
    in_thread: Callable[..., Deferred[Any]] = maybeDeferred,
) -> tuple[Source, ...]:
    """Return the sources other than the settings file, in order, or one that follows `dynamicBackendModePath`.

    `reloads_of` returns the callback for the results of a source's reloads. `count` is called with the names of
    aws-iam-authenticator's counters for failures of sources. `in_thread` calls a function in a thread. Raises
    `ConfigError` if a source lacks a setting, or if no API server can be found.
    """
    maker = _SourceMaker(
        reactor, in_force, tuple(partitions), seen=seen, reloads_of=reloads_of, count=count, in_thread=in_thread
    )
    path = in_force.settings.dynamic_backend_mode_path
    if path:
        _import_sources()
        return (maker.source_set(Path(path).absolute()),)
    sources = map(maker.make, in_force.settings.backend_mode)
    return tuple(source for source in sources if source is not None)


def _import_sources() -> None:
    """Import every source at start. Later it would delay reviews by 30 ms."""
    for module in ("dynamic_file", "cluster.eks_configmap", "cluster.crd"):
        import_module(f"authd.sources.{module}")
    import_module("authd.daemon.net.api_tls")


class _SourceMaker:
    """Creates sources by name. See `other_sources` for the arguments."""

    def __init__(
        self,
        reactor: Any,
        in_force: InForce,
        partitions: tuple[str, ...],
        *,
        seen: SeenIdentities,
        reloads_of: Callable[[str], Callable[[str], None]],
        count: Callable[[str], None],
        in_thread: Callable[..., Deferred[Any]],
    ) -> None:
        self._reactor = reactor
        self._settings = in_force.settings  # of the start, because another path or API server needs a restart
        self._in_force = in_force
        self._partitions = partitions
        self._seen = seen
        self._reloads_of = reloads_of
        self._count = count
        self._in_thread = in_thread
        self._cooperator = Cooperator(terminationPredicateFactory=short_slice)

    def make(self, name: str) -> Source | None:
        """Return a new source, None for the settings file. Raises `ConfigError`."""
        makers = {"DynamicFile": self._dynamic_file, "EKSConfigMap": self._eks_configmap, "CRD": self._crd}
        maker = makers.get(name)
        return None if maker is None else maker()

    def source_set(self, path: Path) -> Source:
        """Return the source that follows the list of sources in a file."""
        from authd.sources.source_set import SourceSet

        return SourceSet(
            self._reactor,
            path,
            make=self.make,
            reloaded=self._reloads_of(SourceSet.name),
            in_force=self._in_force,
            cooperator=self._cooperator,
        )

    def _dynamic_file(self) -> Source:
        from authd.sources.dynamic_file import DynamicFile

        file = self._settings.dynamic_file_path
        if not file:
            message = "it is missing: the source DynamicFile needs it"
            raise ConfigError((Problem(file="server.dynamicFilePath", line=0, column=0, message=message),))
        return DynamicFile(
            self._reactor,
            Path(file).absolute(),
            at_once=not self._reactor.running,  # must not block a serving daemon
            reloaded=partial(self._reloaded, self._reloads_of(DynamicFile.name)),
            **self._shared(),
        )

    def _reloaded(self, reloaded: Callable[[str], None], result: str) -> None:
        reloaded(result)
        if result == "broken":
            self._count("dynamicfile_failures")

    def _eks_configmap(self) -> Source:
        from authd.sources.cluster.eks_configmap import EKSConfigMap

        client = self._client()
        return EKSConfigMap(
            self._reactor,
            client,
            copy=self._copy(EKSConfigMap.name, client),
            reloaded=self._reloads_of(EKSConfigMap.name),
            watch_failed=partial(self._count, "configmap_watch_failures"),
            **self._shared(),
        )

    def _crd(self) -> Source:
        from authd.sources.cluster.crd import CRD

        client = self._client()
        return CRD(
            self._reactor,
            client,
            copy=self._copy(CRD.name, client),
            reloaded=self._reloads_of(CRD.name),
            now=time.time,
            user_ids=self._seen.principal_ids,
            **self._shared(),
        )

    def _shared(self) -> dict[str, Any]:
        return {"in_force": self._in_force, "cooperator": self._cooperator, "partitions": self._partitions}

    def _copy(self, source: str, client: Any) -> Any:
        from authd.sources.cluster.table_copy import TableCopy

        return TableCopy(
            self._reactor,
            source,
            client.access.url,
            is_start=not self._reactor.running,
            in_thread=self._in_thread,
            **self._shared(),
        )

    def _client(self) -> Any:
        from authd.daemon.net.api_tls import APIConnector
        from authd.kubernetes.client import APIClient
        from authd.kubernetes.discovery import find_cluster

        access = find_cluster(
            kubeconfig=self._settings.kubeconfig or "", master=self._settings.master or "", environment=os.environ
        )
        return APIClient(self._reactor, access, APIConnector(self._reactor))
