"""Builds the sources of `server.backendMode` that are not in the settings file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.task import Cooperator

from authd.config.settings import Settings
from authd.core.errors import ConfigError, Problem
from authd.daemon.net.api_tls import APIConnector
from authd.kubernetes.client import APIClient
from authd.kubernetes.discovery import find_cluster
from authd.sources.changed_file import short_slice
from authd.sources.cluster.crd import CRD
from authd.sources.cluster.eks_configmap import EKSConfigMap
from authd.sources.dynamic_file import DynamicFile
from authd.sources.in_force import InForce
from authd.sources.lockout_guard import SeenIdentities
from authd.sources.source import Source
from authd.sources.source_set import SourceSet


def other_sources(
    reactor: Any,
    in_force: InForce,
    partitions: Iterable[str],
    *,
    seen: SeenIdentities,
    reloaded: Callable[[str], None],
    count: Callable[[str], None] = lambda _: None,
) -> tuple[Source, ...]:
    """Return the sources beside the settings file, in their order, or one that follows `dynamicBackendModePath`.

    `count` receives the names of aws-iam-authenticator's counters for failures of sources. Raises `ConfigError` if a
    source lacks a setting, or if no API server can be found.
    """
    settings = in_force.settings
    shared: dict[str, Any] = {
        "in_force": in_force,
        "cooperator": Cooperator(terminationPredicateFactory=short_slice),
        "partitions": partitions,
        "reloaded": reloaded,
    }
    makers: dict[str, Callable[[], Source]] = {
        DynamicFile.name: lambda: DynamicFile(
            reactor, _dynamic_file(settings), **{**shared, "reloaded": partial(_reloaded, reloaded, count)}
        ),
        EKSConfigMap.name: lambda: EKSConfigMap(
            reactor, _client(reactor, settings), **shared, watch_failed=partial(count, "configmap_watch_failures")
        ),
        CRD.name: lambda: CRD(
            reactor, _client(reactor, settings), **shared, now=time.time, user_ids=seen.principal_ids
        ),
    }
    if settings.dynamic_backend_mode_path:
        path = Path(settings.dynamic_backend_mode_path).absolute()
        more = {name: value for name, value in shared.items() if name != "partitions"}
        return (SourceSet(reactor, path, make=lambda name: makers[name]() if name in makers else None, **more),)
    return tuple(makers[name]() for name in settings.backend_mode if name in makers)


def _reloaded(reloaded: Callable[[str], None], count: Callable[[str], None], result: str) -> None:
    reloaded(result)
    if result == "broken":
        count("dynamicfile_failures")


def _dynamic_file(settings: Settings) -> Path:
    if not settings.dynamic_file_path:
        message = "it is missing: the source DynamicFile reads its mappings from there"
        raise ConfigError((Problem(file="server.dynamicFilePath", line=0, column=0, message=message),))
    return Path(settings.dynamic_file_path).absolute()


def _client(reactor: Any, settings: Settings) -> APIClient:
    access = find_cluster(kubeconfig=settings.kubeconfig or "", master=settings.master or "", environment=os.environ)
    return APIClient(reactor, access, APIConnector(reactor))
