"""The whole path with a real kube-apiserver: kubectl, authd-token, kube-apiserver, authd, STS, RBAC.

Everything runs twice: with TokenReview v1, and with v1beta1, kube-apiserver's default, and mutual TLS.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY, MALLORY_KEY, OTHER_ACCOUNT
from authd.emulator.process import EmulatorProcess
from tests.e2e.rig.assets import find_assets
from tests.e2e.rig.control_plane import ControlPlane
from tests.e2e.rig.login import Login, write_settings
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Mint, bare_environment, script
from tests.integration.rig.polling import wait_until
from tests.integration.rig.ports import free_port
from tests.integration.rig.settings import sts_at, user

ASSETS = find_assets()
if ASSETS is None:
    pytest.skip(
        "the end-to-end tests need kube-apiserver, etcd and kubectl in KUBEBUILDER_ASSETS or PATH; `make e2e` builds them",
        allow_module_level=True,
    )

#: The settings by the version of kube-apiserver's TokenReviews. The second has mutual TLS.
SETTINGS: dict[str, dict[str, Any]] = {
    "v1": {},
    "v1beta1": {"requireClientCertificate": True, "kubeconfigPregenerated": True},
}
MALLORY = f"arn:aws:iam::{OTHER_ACCOUNT}:user/mallory"


def init(daemon: DaemonProcess, port: int) -> None:
    """Run `authd init`, before the daemon and the API server start."""
    paths = ["--state-dir", str(daemon.state), "--generate-kubeconfig", str(daemon.kubeconfig)]
    command = [script("authd"), "init", "-c", str(daemon.settings), *paths, "--port", str(port), "--mutual-tls"]
    subprocess.run(command, env=bare_environment(daemon.folder), stdout=subprocess.DEVNULL, timeout=60, check=True)


@pytest.fixture(scope="module", params=SETTINGS)
def login(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    emulator: EmulatorProcess,
    evidence: Evidence,
) -> Iterator[Login]:
    assert ASSETS is not None
    version = request.param
    # The daemon keeps its port, because kube-apiserver reads the webhook's kubeconfig only at its start.
    port = free_port()
    daemon = DaemonProcess(tmp_path_factory.mktemp("daemon"), evidence, arguments=["--port", str(port)])
    write_settings(daemon, sts_at(emulator.port, emulator.ca), **SETTINGS[version])
    if SETTINGS[version]:
        init(daemon, port)
    folder = tmp_path_factory.mktemp("cluster")
    with daemon, ControlPlane(folder, ASSETS, daemon.kubeconfig, version) as cluster:
        cluster.let_group_list_namespaces("devs")
        yield Login(cluster=cluster, daemon=daemon, evidence=evidence)


@pytest.mark.parametrize("kubectl", ASSETS.kubectls, ids=[Path(path).parent.name for path in ASSETS.kubectls])
def test_the_mapped_group_decides(login: Login, kubectl: str) -> None:
    """A caller with authd-token has the permissions of the mapped group, with every kubectl."""
    command = ("get", "namespaces", "-o", "name")
    wait_until(lambda: login.kubectl(ALICE_KEY, *command).returncode == 0, "the role to be in force")
    done = login.kubectl(ALICE_KEY, *command, program=kubectl)
    assert done.returncode == 0, done.stderr
    assert "namespace/kube-system" in done.stdout.splitlines()


def test_another_group_may_not(login: Login) -> None:
    """A caller mapped to another group is identified and gets 403."""
    done = login.kubectl(BOB_KEY, "get", "namespaces")
    assert done.returncode != 0
    assert 'User "bob" cannot list resource "namespaces"' in done.stderr


def test_an_unmapped_identity_is_unauthorized(login: Login) -> None:
    """A caller confirmed by STS without a mapping gets 401."""
    done = login.kubectl(MALLORY_KEY, "get", "namespaces")
    assert done.returncode != 0
    assert "Unauthorized" in done.stderr or "must be logged in" in done.stderr


def test_the_api_server_reports_the_whole_identity(login: Login, mint: Mint) -> None:
    """The response to a TokenReview has the user, the groups and the extra of the mapping."""
    status = login.review(mint.by_signer(ALICE_KEY))
    assert status["authenticated"] is True
    user_info = status["user"]
    assert user_info["username"] == "alice"
    assert user_info["groups"] == ["devs", "on-call", "system:authenticated"]
    assert user_info["uid"].startswith("aws-iam-authenticator:111122223333:AIDA")
    assert user_info["extra"]["canonicalArn"] == ["arn:aws:iam::111122223333:user/team/alice"]


def test_tokens_of_every_client_are_accepted(login: Login, mint: Mint) -> None:
    """The API server accepts tokens of authd-token, of botocore's signer and of the AWS CLI."""
    for token in (mint.by_script(ALICE_KEY), mint.by_signer(ALICE_KEY, expires=900), mint.by_aws_cli(ALICE_KEY)):
        assert login.status(token) == 200
    assert login.status(mint.by_signer(ALICE_KEY, cluster="another.example.com")) == 401
    assert login.status("k8s-aws-v1.bm90IGEgdG9rZW4") == 401


def test_the_api_servers_own_tokens_still_work(login: Login) -> None:
    """The API server accepts a service account's token, which the webhook refuses."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}
    assert login.cluster.request("POST", "/api/v1/namespaces/default/serviceaccounts", account)[0] == 201
    path = "/api/v1/namespaces/default/serviceaccounts/robot/token"
    status, answer = login.cluster.request(
        "POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    )
    assert status == 201
    login.evidence.secret(answer["status"]["token"], "a service account's token")
    assert login.status(answer["status"]["token"]) == 403


def test_a_mapping_added_while_running_lets_the_user_in(
    login: Login, emulator: EmulatorProcess, mint: Mint, request: pytest.FixtureRequest
) -> None:
    """A refused user gets access as soon as the mapping is written, because refusals are not cached."""
    token = mint.by_signer(MALLORY_KEY, expires=600)
    assert login.status(token) == 401
    settings = SETTINGS[request.node.callspec.params["login"]]
    sts = sts_at(emulator.port, emulator.ca)
    write_settings(login.daemon, sts, user(MALLORY, "mallory", "devs"), **settings)
    wait_until(lambda: login.status(token) == 200, "the new user to get access", seconds=20)
    write_settings(login.daemon, sts, **settings)
    wait_until(lambda: login.status(mint.by_signer(MALLORY_KEY)) == 401, "the user to lose access", seconds=40)


def test_a_daemon_that_is_down_lets_nobody_in(login: Login, mint: Mint) -> None:
    """A new token gets 401 while the daemon is down, and is accepted after its start."""
    token = mint.by_signer(ALICE_KEY, expires=555)
    login.daemon.stop()
    assert login.status(token) == 401
    login.daemon.start()
    wait_until(lambda: login.status(token) == 200, "the user to get access", seconds=30)
