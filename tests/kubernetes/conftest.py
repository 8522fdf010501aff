"""One API server and one reactor for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from authd.daemon.net.api_tls import APIConnector
from authd.kubernetes.client import APIClient
from authd.kubernetes.kubeconfig import load_kubeconfig
from authd.kubernetes.listing import Resource
from tests.kubernetes.api_server import CONFIG_MAPS, APIServer
from tests.kubernetes.following import Following
from tests.kubernetes.reactor_thread import ReactorThread


@pytest.fixture
def server(tmp_path: Path) -> Iterator[APIServer]:
    with APIServer(tmp_path).running() as running:
        yield running


@pytest.fixture
def thread() -> Iterator[ReactorThread]:
    with ReactorThread().running() as running:
        yield running


@pytest.fixture
def client(server: APIServer, thread: ReactorThread, tmp_path: Path) -> APIClient:
    access = load_kubeconfig(str(server.kubeconfig(tmp_path)))
    return APIClient(thread.reactor, access, APIConnector(thread.reactor), timeout=5.0)


@pytest.fixture
def follow(thread, client):
    return lambda silence=30.0: Following(thread, client, Resource(path=CONFIG_MAPS, kind="ConfigMap"), silence)
