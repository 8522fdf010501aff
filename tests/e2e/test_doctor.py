"""`authd doctor` and `authd why` beside a real kube-apiserver, with mutual TLS."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from authd.emulator.directory.sample import ALICE_KEY, MALLORY_KEY
from authd.emulator.process import EmulatorProcess
from tests.e2e.rig.assets import find_assets
from tests.e2e.rig.control_plane import ControlPlane
from tests.e2e.test_cluster import init
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import CLUSTER, Mint, bare_environment, script
from tests.integration.rig.polling import wait_until
from tests.integration.rig.ports import free_ports
from tests.integration.rig.settings import ALICE, STS_HOSTS, user

ASSETS = find_assets()
if ASSETS is None:
    pytest.skip("there is no kube-apiserver", allow_module_level=True)

Finding = dict[str, Any]


@pytest.fixture(scope="module")
def node(
    tmp_path_factory: pytest.TempPathFactory, emulator: EmulatorProcess, evidence: Evidence
) -> Iterator[tuple[ControlPlane, DaemonProcess]]:
    assert ASSETS is not None
    port, health_port = free_ports(2)
    daemon = DaemonProcess(tmp_path_factory.mktemp("daemon"), evidence, arguments=["--port", str(port)])
    endpoint = {"host": STS_HOSTS[1], "connect": f"127.0.0.1:{emulator.port}", "caFile": emulator.ca}
    server = {
        "port": port,
        "healthPort": health_port,
        "stateDir": str(daemon.state),
        "generateKubeconfig": str(daemon.kubeconfig),
        "kubeconfigPregenerated": True,
        "requireClientCertificate": True,
        "mapUsers": [user(ALICE, "alice", "devs")],
        "sts": {"endpoints": [endpoint]},
    }
    daemon.settings.write_text(yaml.safe_dump({"clusterID": CLUSTER, "server": server}))
    init(daemon, port)
    with daemon, ControlPlane(tmp_path_factory.mktemp("cluster"), ASSETS, daemon.kubeconfig, "v1") as cluster:
        yield cluster, daemon


def doctor(daemon: DaemonProcess, kubeconfig: Path) -> dict[str, list[Finding]]:
    """Return the findings by group, for settings that also have the source CRD."""
    settings = yaml.safe_load(daemon.settings.read_text())
    settings["server"] |= {"backendMode": ["MountedFile", "CRD"], "kubeconfig": str(kubeconfig)}
    config = daemon.folder / "doctor.yaml"
    config.write_text(yaml.safe_dump(settings))
    config.chmod(0o644)
    command = [script("authd"), "doctor", "-c", str(config), "--manifest", "/does/not/exist", "-o", "json"]
    done = subprocess.run(
        command, env=bare_environment(daemon.folder), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stderr == ""
    groups: dict[str, list[Finding]] = {}
    for finding in json.loads(done.stdout)["findings"]:
        groups.setdefault(finding["group"], []).append(finding)
    return groups


def levels(findings: list[Finding]) -> list[str]:
    return [finding["level"] for finding in findings]


def test_a_healthy_node(node: tuple[ControlPlane, DaemonProcess]) -> None:
    """A node whose kube-apiserver calls authd has no error, with mutual TLS too."""
    cluster, daemon = node
    found = doctor(daemon, cluster.admin_kubeconfig())
    assert [finding for group in found.values() for finding in group if finding["level"] == "error"] == []
    assert levels(found["ports"]) == levels(found["certificate"]) == ["ok", "ok"]
    assert levels(found["kube-apiserver"]) == ["ok", "ok"]
    assert levels(found["permissions"]) == ["ok"]


def test_missing_permissions(node: tuple[ControlPlane, DaemonProcess], mint: Mint, tmp_path: Path) -> None:
    """Permissions that the API server denies the daemon are reported."""
    cluster, daemon = node
    kubeconfig = yaml.safe_load(cluster.admin_kubeconfig().read_text())
    kubeconfig["users"][0]["user"] = {"token": mint.by_signer(ALICE_KEY)}
    file = tmp_path / "alice.yaml"
    file.write_text(yaml.safe_dump(kubeconfig))
    permissions = doctor(daemon, file)["permissions"]
    assert levels(permissions) == ["error", "error", "error", "warning", "warning"]
    assert permissions[0]["message"] == "the source CRD may not get iamidentitymappings"


def test_a_kubeconfig_that_is_newer_than_kube_apiserver(node: tuple[ControlPlane, DaemonProcess]) -> None:
    """kube-apiserver must be restarted after the kubeconfig has changed."""
    cluster, daemon = node
    before = daemon.kubeconfig.stat()
    os.utime(daemon.kubeconfig)
    found = doctor(daemon, cluster.admin_kubeconfig())["kube-apiserver"]
    os.utime(daemon.kubeconfig, (before.st_atime, before.st_mtime))
    assert levels(found) == ["ok", "warning"]
    assert "and still uses the old one" in found[1]["message"]


def test_the_reference_in_kube_apiservers_log(node: tuple[ControlPlane, DaemonProcess], mint: Mint) -> None:
    """`authd why` explains the line that kube-apiserver logs about a refusal."""
    cluster, daemon = node
    assert cluster.request("GET", "/api/v1/namespaces", token=mint.by_signer(MALLORY_KEY))[0] == 401
    log = cluster.folder / "apiserver.log"
    line = wait_until(
        lambda: re.search(r"^.*Unable to authenticate the request.*reference .*$", log.read_text(), re.MULTILINE),
        "kube-apiserver's line about the refusal",
    )
    command = [script("authd"), "why", line[0], "--file", "-", "-c", str(daemon.settings)]
    done = subprocess.run(
        command, env=bare_environment(daemon.folder), input=daemon.said(), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "denied: identity_not_mapped" in done.stdout
    assert "userARN: arn:aws:iam::444455556666:user/mallory" in done.stdout
