"""A daemon with a break-glass rule in the file, and all other mappings in the cluster: aws-auth or objects."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY
from tests.integration.rig.minting import script
from tests.integration.rig.polling import wait_until
from tests.integration.rig.settings import ALICE, BOB, user
from tests.kubernetes.api_server import CONFIG_MAPS, IDENTITIES, APIServer, status


@pytest.fixture
def api_server(tmp_path: Path):
    with APIServer(tmp_path).running() as server:
        yield server


def users(arn: str, name: str) -> dict[str, str]:
    return {"mapUsers": f"- userarn: {arn}\n  username: {name}\n  groups: [devs]\n"}


def name_of(daemon, token: str) -> str:
    answer = json.loads(daemon.review(token).body)
    return answer["status"].get("user", {}).get("username", "")


def test_bootstrap(make_daemon, mint, api_server, tmp_path):
    """The administrator is mapped by the file before the API server responds, everybody else by aws-auth after that."""
    alice, bob = mint.by_signer(ALICE_KEY, expires=700), mint.by_signer(BOB_KEY, expires=700)
    api_server.put(CONFIG_MAPS, "aws-auth", data=users(BOB, "bob-1"))
    kubeconfig = api_server.kubeconfig(tmp_path, "{tokenFile: token}")
    (tmp_path / "token").write_text("expired")
    daemon = make_daemon(
        backendMode=["MountedFile", "EKSConfigMap"],
        kubeconfig=str(kubeconfig),
        users=[user(ALICE, "break-glass", "system:masters")],
        roles=[],
    )
    with daemon:
        assert name_of(daemon, alice) == "break-glass"
        assert name_of(daemon, bob) == ""
        wait_until(lambda: b"401" in daemon.health("/readyz").body, "the API server's refusal to be reported")
        ready = daemon.health("/readyz")
        assert ready.status == 503
        assert b"[-] EKSConfigMap: it has no mappings yet: configmap kube-system/aws-auth: the API server" in ready.body
        (tmp_path / "token").write_text("the-token")  # as the kubelet rotates it
        wait_until(lambda: name_of(daemon, bob) == "bob-1", "the ConfigMap to come into force")
        api_server.put(CONFIG_MAPS, "aws-auth", data=users(BOB, "bob-2"))
        wait_until(lambda: name_of(daemon, bob) == "bob-2", "the change to come into force")
        assert daemon.health("/readyz").status == 200
        api_server.delete(CONFIG_MAPS, "aws-auth")
        wait_until(lambda: daemon.health("/readyz").status == 503, "the deletion to be reported")
        assert b"[-] EKSConfigMap: the last good mappings are in force: " in daemon.health("/readyz").body
        assert "the-token" not in daemon.said()


def test_order(make_daemon, mint, api_server, tmp_path):
    """The first source that maps an identity wins."""
    bob = mint.by_signer(BOB_KEY, expires=700)
    api_server.put(CONFIG_MAPS, "aws-auth", data=users(BOB, "by-aws-auth"))
    api_server.put(IDENTITIES, "bob", spec={"arn": BOB, "username": "by-object"})
    (tmp_path / "dynamic.json").write_text(json.dumps({"mapUsers": [{"userarn": BOB, "username": "by-file"}]}))
    daemon = make_daemon(
        backendMode=["CRD", "DynamicFile", "EKSConfigMap"],
        kubeconfig=str(api_server.kubeconfig(tmp_path)),
        dynamicFilePath=str(tmp_path / "dynamic.json"),
        users=[],
        roles=[],
    )
    with daemon:
        wait_until(lambda: name_of(daemon, bob) == "by-object", "the object to come into force")
        api_server.delete(IDENTITIES, "bob")
        wait_until(lambda: name_of(daemon, bob) == "by-file", "the object to go")
        wait_until(lambda: daemon.health("/readyz").status == 200, "the ConfigMap to be read")


def test_sources_at_run_time(make_daemon, mint, api_server, tmp_path):
    """A file changes the list of sources, without an interruption of the mappings."""
    bob = mint.by_signer(BOB_KEY, expires=700)
    api_server.put(CONFIG_MAPS, "aws-auth", data=users(BOB, "by-aws-auth"))
    modes = tmp_path / "modes.json"
    modes.write_text('{"backendMode": "MountedFile"}')
    daemon = make_daemon(
        dynamicBackendModePath=str(modes),
        kubeconfig=str(api_server.kubeconfig(tmp_path)),
        users=[user(BOB, "by-file")],
        roles=[],
    )
    with daemon:
        assert name_of(daemon, bob) == "by-file"
        modes.write_text('{"backendMode": "EKSConfigMap MountedFile"}')
        names = set()

        def asked() -> bool:
            names.add(name_of(daemon, bob))
            return "by-aws-auth" in names

        wait_until(asked, "the ConfigMap to come into force")
        assert names == {"by-file", "by-aws-auth"}
        assert daemon.health("/readyz").status == 200
        modes.write_text('{"backendMode": "MountedFile"}')
        wait_until(lambda: name_of(daemon, bob) == "by-file", "the ConfigMap to be switched off")
        away = status(503, "ServiceUnavailable", "etcd is away")
        api_server.faults.extend([lambda it: it.answer(503, away)] * 1000)
        modes.write_text('{"backendMode": "EKSConfigMap MountedFile"}')
        wait_until(lambda: daemon.health("/readyz").status == 503, "the API server's fault to be reported")
        assert name_of(daemon, bob) == "by-file"
        assert not any(
            "until the API server answers" in event["message"] for event in daemon.events()
        )  # the copy is not used
        api_server.faults.clear()
        wait_until(lambda: name_of(daemon, bob) == "by-aws-auth", "the ConfigMap to come into force again")


def test_no_cluster(make_daemon):
    """Outside of a pod and without a kubeconfig, the daemon ends with a message that names the setting."""
    daemon = make_daemon(backendMode=["MountedFile", "CRD"]).launch()
    assert daemon.wait() != 0
    assert "server.kubeconfig: it is not set" in daemon.said()


@pytest.mark.parametrize("listed_in", ["backendMode", "dynamicBackendModePath"])
def test_a_restart_without_the_api_server(make_daemon, mint, api_server, tmp_path, listed_in):
    """A daemon started while the API server is down uses its last mappings, logs their age, and follows it later."""
    bob, alice = mint.by_signer(BOB_KEY, expires=700), mint.by_signer(ALICE_KEY, expires=700)
    api_server.put(CONFIG_MAPS, "aws-auth", data=users(BOB, "bob-1"))
    modes = tmp_path / "modes.json"
    modes.write_text('{"backendMode": "MountedFile EKSConfigMap"}')
    order = {"backendMode": ["MountedFile", "EKSConfigMap"], "dynamicBackendModePath": str(modes)}
    daemon = make_daemon(
        **{listed_in: order[listed_in]},
        kubeconfig=str(api_server.kubeconfig(tmp_path)),
        users=[],
        roles=[],
    )
    copy = daemon.state / "last-good-eksconfigmap.json"
    with daemon:
        wait_until(lambda: name_of(daemon, bob) == "bob-1", "the ConfigMap to come into force")
        wait_until(copy.exists, "the copy")
    assert copy.stat().st_mode & 0o777 == 0o600
    api_server.put(CONFIG_MAPS, "aws-auth", data=users(ALICE, "alice"))
    api_server.faults += [lambda it: it.answer(503, status(503, "ServiceUnavailable", "etcd is away"))] * 1000
    with daemon:
        assert name_of(daemon, bob) == "bob-1"
        ready = daemon.health("/readyz")
        assert ready.status == 503
        assert b"in force is a copy of " in ready.body
        assert f"from {api_server.url}".encode() in ready.body
        daemon.wait_for_message("EKSConfigMap: 1 rules in force, a copy of ")
        command = [script("authd"), "status", "-c", str(daemon.settings), "--state-dir", str(daemon.state)]
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert "EKSConfigMap: 1 rule, a copy that is " in told.stdout
        api_server.faults.clear()
        wait_until(lambda: name_of(daemon, alice) == "alice", "the first list to come into force")
        assert name_of(daemon, bob) == ""
        wait_until(lambda: daemon.health("/readyz").status == 200, "the daemon to be ready")
    daemon.settings.write_text(daemon.settings.read_text().replace("clusterID: ", "clusterID: another-"))
    api_server.faults += [lambda it: it.answer(503, status(503, "ServiceUnavailable", "etcd is away"))] * 1000
    with daemon:
        daemon.wait_for_message("is discarded: it was made with other settings or for another API server")
