"""Nodes with a real systemd, on which the daemon was installed as in the documents."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boot.rig.aws import ALICE
from tests.boot.rig.control_plane import ControlPlane
from tests.boot.rig.documents import blocks
from tests.boot.rig.machine import Machine, missing_program
from tests.boot.rig.node import Node
from tests.boot.rig.roots import RELEASES, Release, base_root, kept, writable
from tests.boot.rig.ways import FromClone, FromPackage, Way
from tests.e2e.rig.assets import find_assets
from tests.integration.rig.polling import wait_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A node with the daemon, and with kube-apiserver if its programs are available."""

    node: Node
    way: Way
    plane: ControlPlane | None

    def log_in(self) -> None:
        """Follow the guide for the user's machine, as Alice."""
        assert self.plane is not None
        self.plane.write_kubeconfig()
        self._as_alice(blocks("docs/guides/systemd.md", "## The first login")[1])

    def kubectl(self, arguments: str) -> str:
        """Run kubectl as Alice, in the mapped role."""
        if self.plane is None:
            pytest.skip("needs kube-apiserver, etcd and kubectl: `make e2e-assets`")
        return self._as_alice(f"kubectl {arguments}")

    def _as_alice(self, script: str) -> str:
        # The STS loses its sessions at a reboot, so the plugin's cache is in /run.
        places = {"PATH": f"{self.way.bin}:/usr/local/bin:/usr/bin:/bin", "AUTHD_CACHE_DIR": "/run/cache"}
        return self.node.machine.run(script, **ALICE.environment, **places)


def _ways() -> list[Way]:
    return [FromClone(), FromPackage(package=Path(os.environ.get("AUTHD_DEB", "")))]


@pytest.fixture(scope="module", params=_ways(), ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    if reason := missing_program():
        pytest.skip(reason)
    return request.param


@pytest.fixture(scope="module", params=RELEASES, ids=lambda release: release.suite)
def release(request: pytest.FixtureRequest) -> Release:
    if not request.param.keyring.exists():
        pytest.skip(f"needs {request.param.keyring}")
    return request.param


@pytest.fixture(scope="module")
def installation(release: Release, way: Way, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A node after all steps up to the first login."""
    programs = find_assets()
    binds = ControlPlane.binds(programs.apiserver, programs.etcd, programs.kubectl) if programs else {}
    caches = {"/var/cache/apt/archives": kept(f"apt-{release.suite}"), "/root/.cache/pip": kept("pip")}
    name = f"{release.suite}-{way.name}"
    with ExitStack() as at_end:
        root = at_end.enter_context(writable(base_root(release), tmp_path_factory.mktemp(name)))
        way.bring(root)
        # In place of the user's answer to apt.
        (root / "etc/apt/apt.conf.d/90yes").write_text('APT::Get::Assume-Yes "true";\n')
        machine = at_end.enter_context(Machine(root, name, binds, caches))
        plane = ControlPlane(machine) if programs else None
        if plane is not None:
            plane.start()
        node = Node(machine=machine, suite=name, bin=way.bin, python=way.python)
        made = Installation(node=node, way=way, plane=plane)
        way.install(node)
        node.wait_until_ready()
        node.step("ready")
        if plane is not None:
            way.add_webhook(node, plane)
            node.step("kube-apiserver has its flags")
            made.log_in()
            node.step("first login")
        node.map_user(ALICE)
        token = node.token()
        wait_until(lambda: "authenticated" in node.review(token), "the mapping of a user")
        yield made


@pytest.fixture
def node(installation: Installation) -> Node:
    return installation.node
