"""Clusters of the machine, as installers create them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from authd.state.kubeconfig import webhook_kubeconfig
from authd.state.x509 import new_ca
from tests.e2e.rig.control_plane import ControlPlane
from tests.e2e.rig.versions import apiserver_version
from tests.guides.assets.installers import find_installer
from tests.guides.rig.kubeadm import KubeadmControlPlane, new_control_plane
from tests.guides.rig.machine import Machine

CONFIG_FLAG, VERSION_FLAG = "authentication-token-webhook-config-file", "authentication-token-webhook-version"


def installer(name: str) -> str:
    """Return the path of an installer. Skips the test if it is missing."""
    found = find_installer(name)
    if found is None:
        pytest.skip(f"needs {name}: run `make installer-assets`, which builds it with Go")
    return found


def kubeadm_control_plane(machine: Machine) -> KubeadmControlPlane:
    """Return a new control plane by kubeadm, without a webhook in its manifest."""
    program = installer("kubeadm")
    major, minor = apiserver_version(machine.assets.apiserver)
    told = subprocess.run(
        [program, "version", "-o", "short"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not told.startswith(f"v{major}.{minor}."):
        pytest.skip(f"needs kubeadm {major}.{minor}, as kube-apiserver")
    number = len(list(machine.folder.glob("cluster-*")))
    return new_control_plane(machine.folder / f"cluster-{number}", machine.assets, program, told, machine.manifest)


def start_with(machine: Machine, flags: Mapping[str, str]) -> None:
    """Start kube-apiserver with an installer's flags for the webhook."""
    folder = machine.folder / f"cluster-{len(list(machine.folder.glob('cluster-*')))}"
    folder.mkdir()
    file = Path(machine.translated(flags[CONFIG_FLAG]))
    assert file.is_file()
    machine.start(ControlPlane(folder, machine.assets, file, flags.get(VERSION_FLAG, "v1beta1")))


def plain_cluster(machine: Machine) -> None:
    """A cluster without a running webhook."""
    file = machine.folder / "nobody.yaml"
    authority = new_ca("nobody", datetime.now(UTC)).certificate_pem
    file.write_bytes(webhook_kubeconfig(host="localhost", port=1, authority_pem=authority))
    start_with(machine, {CONFIG_FLAG: str(file)})
