"""`authd rotate-ca` and a shared CA with a real kube-apiserver: no login is refused at any moment of the change."""

from __future__ import annotations

import http.client
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from authd.emulator.directory.sample import ALICE_KEY
from authd.emulator.process import EmulatorProcess
from tests.e2e.rig.assets import Assets, find_assets
from tests.e2e.rig.control_plane import ControlPlane
from tests.e2e.rig.login import Login, write_settings
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Mint, bare_environment, script
from tests.integration.rig.polling import wait_until
from tests.integration.rig.ports import free_port
from tests.integration.rig.settings import sts_at

ASSETS = find_assets()
pytestmark = pytest.mark.skipif(ASSETS is None, reason="needs kube-apiserver, etcd and kubectl; `make e2e` builds them")
_REACTION_SECONDS = 2.0


class Node:
    """A control-plane node: a daemon and the kube-apiserver that calls it."""

    def __init__(self, folder: Path, emulator: EmulatorProcess, evidence: Evidence) -> None:
        self.port = free_port()
        arguments = ["--port", str(self.port), "--kubeconfig-pregenerated"]
        self.daemon = DaemonProcess(folder / "daemon", evidence, arguments=arguments)
        self.folder = folder
        self.places = {"stateDir": str(self.daemon.state), "generateKubeconfig": str(self.daemon.kubeconfig)}
        write_settings(self.daemon, sts_at(emulator.port, emulator.ca), port=self.port, **self.places)

    def authd(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command with the node's settings."""
        command = [script("authd"), *arguments, "-c", str(self.daemon.settings)]
        environment = bare_environment(self.folder)
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def control_plane(self, assets: Assets) -> ControlPlane:
        """Return the node's control plane, which has not been started."""
        (self.folder / "cluster").mkdir()
        return ControlPlane(self.folder / "cluster", assets, self.daemon.kubeconfig, "v1")


@contextmanager
def logins(login: Login, mint: Mint) -> Iterator[list[int]]:
    """Log in repeatedly with new tokens, and collect the statuses. There is none while kube-apiserver does not run."""
    statuses: list[int] = []
    ended = threading.Event()

    def log_in() -> None:
        number = 0
        while not ended.wait(0.05):
            number += 1
            token = mint.by_signer(ALICE_KEY, seconds_ago=number % 600)  # each token is distinct
            with suppress(OSError, http.client.HTTPException):  # kube-apiserver may restart during a response
                statuses.append(login.whoami(token)[0])

    thread = threading.Thread(target=log_in)
    thread.start()
    try:
        yield statuses
    finally:
        ended.set()
        thread.join()


def test_no_login_is_refused(tmp_path: Path, emulator: EmulatorProcess, evidence: Evidence, mint: Mint) -> None:
    """New tokens are accepted before, during and after each step. Steps are refused until kube-apiserver restarts."""
    assert ASSETS is not None
    node = Node(tmp_path, emulator, evidence)
    assert node.authd("init").returncode == 0
    with node.daemon, node.control_plane(ASSETS) as cluster:
        login = Login(cluster=cluster, daemon=node.daemon, evidence=evidence)
        wait_until(lambda: login.whoami(mint.by_signer(ALICE_KEY))[0] == 201, "the first login")
        with logins(login, mint) as statuses:
            old = node.daemon.kubeconfig.read_bytes()
            assert "trusts the old CA and the new one" in node.authd("rotate-ca").stdout
            refused = node.authd("rotate-ca")
            assert refused.returncode != 0
            assert "has not read" in refused.stderr
            cluster.stop_apiserver()
            cluster.start_apiserver()
            before = node.daemon.state.joinpath("cert.pem").read_bytes()
            assert "serves a certificate of the new CA" in node.authd("rotate-ca").stdout
            assert node.daemon.state.joinpath("cert.pem").read_bytes() != before
            time.sleep(_REACTION_SECONDS)
            done = node.authd("rotate-ca")
            assert "trusts the new CA alone" in done.stdout, done.stderr
            cluster.stop_apiserver()
            cluster.start_apiserver()
            count = len(statuses)
            wait_until(lambda: len(statuses) > count + 10, "some logins after the last step")
        assert node.daemon.kubeconfig.read_bytes() != old
    # A starting kube-apiserver authenticates before it has loaded its RBAC rules, and then responds with 403. A starting
    # or stopping one may respond with 503 to anything. A refused token gets 401.
    assert set(statuses) <= {201, 403, 503}, f"{len(statuses)} logins"
    assert statuses.count(201) > 20


def test_nodes_with_one_ca(tmp_path: Path, emulator: EmulatorProcess, evidence: Evidence, mint: Mint) -> None:
    """With `init --ca`, each node's kubeconfig works on the other, because they trust the same CA."""
    assert ASSETS is not None
    nodes = [Node(tmp_path / name, emulator, evidence) for name in ("first", "second")]
    for node in nodes:
        for _ in range(2):  # the second run changes nothing
            done = node.authd("init", "--ca", str(tmp_path / "ca"))
            assert done.returncode == 0, done.stderr
    first, second = nodes
    text = first.daemon.kubeconfig.read_text().replace(f":{first.port}/", f":{second.port}/")
    assert text == second.daemon.kubeconfig.read_text()
    with second.daemon, second.control_plane(ASSETS) as cluster:
        login = Login(cluster=cluster, daemon=second.daemon, evidence=evidence)
        wait_until(lambda: login.whoami(mint.by_signer(ALICE_KEY))[0] == 201, "the first login")
