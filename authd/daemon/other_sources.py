"""Builds the sources of `server.backendMode` that are not in the settings file.

A source's modules are imported only if it is used: together they take a megabyte.
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

from authd.config.settings import Settings
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
    """Return the sources beside the settings file, in their order, or one that follows `dynamicBackendModePath`.

    `reloads_of` returns the receiver of the results of a source's reloads. `count` receives the names of
    aws-iam-authenticator's counters for failures of sources. `in_thread` calls a function in a thread. Raises
    `ConfigError` if a source lacks a setting, or if no API server can be found.
    """
    settings = in_force.settings
    shared: dict[str, Any] = {
        "in_force": in_force,
        "cooperator": Cooperator(terminationPredicateFactory=short_slice),
    }
    more = {**shared, "partitions": partitions}
    in_cluster = {**more, "in_thread": in_thread}
    makers: dict[str, Callable[[], Source]] = {
        "DynamicFile": lambda: _dynamic_file(
            reactor, settings, {**more, "reloaded": partial(_reloaded, reloads_of("DynamicFile"), count)}
        ),
        "EKSConfigMap": lambda: _eks_configmap(
            reactor,
            settings,
            {
                **in_cluster,
                "reloaded": reloads_of("EKSConfigMap"),
                "watch_failed": partial(count, "configmap_watch_failures"),
            },
        ),
        "CRD": lambda: _crd(
            reactor,
            settings,
            {**in_cluster, "reloaded": reloads_of("CRD"), "now": time.time, "user_ids": seen.principal_ids},
        ),
    }
    if settings.dynamic_backend_mode_path:
        from authd.sources.source_set import SourceSet

        path = Path(settings.dynamic_backend_mode_path).absolute()
        _import_sources()
        return (
            SourceSet(
                reactor,
                path,
                make=lambda name: makers[name]() if name in makers else None,
                reloaded=reloads_of(SourceSet.name),
                **shared,
            ),
        )
    return tuple(makers[name]() for name in settings.backend_mode if name in makers)


def _import_sources() -> None:
    """Import every source: at run time that would hold up the reviews for 30 ms."""
    for module in ("dynamic_file", "cluster.eks_configmap", "cluster.crd"):
        import_module(f"authd.sources.{module}")
    import_module("authd.daemon.net.api_tls")


def _reloaded(reloaded: Callable[[str], None], count: Callable[[str], None], result: str) -> None:
    reloaded(result)
    if result == "broken":
        count("dynamicfile_failures")


def _dynamic_file(reactor: Any, settings: Settings, more: dict[str, Any]) -> Source:
    from authd.sources.dynamic_file import DynamicFile

    if not settings.dynamic_file_path:
        message = "it is missing: the source DynamicFile needs it"
        raise ConfigError((Problem(file="server.dynamicFilePath", line=0, column=0, message=message),))
    path = Path(settings.dynamic_file_path).absolute()
    return DynamicFile(reactor, path, at_once=not reactor.running, **more)  # a daemon that serves must not stall


def _eks_configmap(reactor: Any, settings: Settings, more: dict[str, Any]) -> Source:
    from authd.sources.cluster.eks_configmap import EKSConfigMap

    client = _client(reactor, settings)
    return EKSConfigMap(reactor, client, copy=_copy(reactor, EKSConfigMap.name, client, more), **_but_thread(more))


def _crd(reactor: Any, settings: Settings, more: dict[str, Any]) -> Source:
    from authd.sources.cluster.crd import CRD

    client = _client(reactor, settings)
    return CRD(reactor, client, copy=_copy(reactor, CRD.name, client, more), **_but_thread(more))


def _copy(reactor: Any, source: str, client: Any, more: dict[str, Any]) -> Any:
    from authd.sources.cluster.table_copy import TableCopy

    shared = {name: more[name] for name in ("in_force", "cooperator", "partitions", "in_thread")}
    return TableCopy(reactor, source, client.access.url, is_start=not reactor.running, **shared)


def _but_thread(more: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in more.items() if name != "in_thread"}


def _client(reactor: Any, settings: Settings) -> Any:
    from authd.daemon.net.api_tls import APIConnector
    from authd.kubernetes.client import APIClient
    from authd.kubernetes.discovery import find_cluster

    access = find_cluster(kubeconfig=settings.kubeconfig or "", master=settings.master or "", environment=os.environ)
    return APIClient(reactor, access, APIConnector(reactor))
