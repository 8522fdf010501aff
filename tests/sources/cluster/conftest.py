"""Fixtures that connect a source to an API server and the mappings in force."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import Cooperator

from authd.config.settings import Settings
from authd.core.errors import Denied
from authd.daemon.net.api_tls import APIConnector
from authd.kubernetes.client import APIClient
from authd.kubernetes.kubeconfig import load_kubeconfig
from authd.sources.changed_file import short_slice
from authd.sources.cluster.table_copy import TableCopy
from authd.sources.in_force import InForce
from authd.sources.lockout_guard import SeenIdentities
from tests.daemon.fakes import identity
from tests.kubernetes.api_server import APIServer
from tests.kubernetes.reactor_thread import ReactorThread, wait_until


class Rig:
    """Starts sources with an API server and checks the mappings in force."""

    def __init__(self, server: APIServer, thread: ReactorThread, folder: Path, partitions) -> None:
        self.server = server
        self.thread = thread
        self.seen = SeenIdentities(thread.reactor.seconds)
        self.results: list[str] = []
        self._kubeconfig = server.kubeconfig(folder)
        self._partitions = partitions
        self._running: list = []

    def start(self, kind, *, state: Path | None = None, settings: dict | None = None, **more):
        """Start a source. With a state directory, its table is stored there."""
        chosen = Settings(cluster_id="c", **({} if state is None else {"state_dir": str(state)}), **(settings or {}))
        self.in_force = InForce(chosen, (kind.name,), self.seen)
        client = APIClient(
            self.thread.reactor, load_kubeconfig(str(self._kubeconfig)), APIConnector(self.thread.reactor), timeout=5.0
        )
        shared = {
            "in_force": self.in_force,
            "cooperator": Cooperator(
                terminationPredicateFactory=short_slice,
                scheduler=lambda work: self.thread.reactor.callLater(0.0001, work),
            ),
            "partitions": self._partitions,
        }
        if state is not None:
            in_thread = {"in_thread": maybeDeferred}
            more["copy"] = TableCopy(self.thread.reactor, kind.name, client.access.url, **shared, **in_thread)
        source = kind(
            self.thread.reactor,
            client,
            **shared,
            reloaded=self.results.append,
            **more,
        )
        self.thread.call(source.start)
        self._running.append(source)
        return source

    def name_of(self, arn: str, principal_id: str = "AIDAEXAMPLE") -> str:
        try:
            return self.in_force.tables.lookup(identity(arn, principal_id)).username
        except Denied:
            return ""

    def until(self, arn: str, name: str) -> None:
        wait_until(lambda: self.name_of(arn) == name)

    def stop(self) -> None:
        for source in self._running:
            self.thread.call(source.stop)
        self._running.clear()


@pytest.fixture
def rig(tmp_path: Path, partitions) -> Iterator[Rig]:
    with APIServer(tmp_path).running() as server, ReactorThread().running() as thread:
        rig = Rig(server, thread, tmp_path, partitions)
        yield rig
        rig.stop()
