"""The whole walk with a real kube-apiserver: kubectl, authd-token, kube-apiserver, authd, STS, RBAC.

Once as kube-apiserver asks today (TokenReview v1), once as old ones ask (v1beta1) with mutual TLS.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY, MALLORY_KEY, OTHER_ACCOUNT
from authd.emulator.process import EmulatorProcess
from tests.e2e.rig.assets import find_assets
from tests.e2e.rig.control_plane import ControlPlane, free_ports
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import CLUSTER, Key, Mint, bare_environment, credentials_in_environment, script
from tests.integration.rig.polling import wait_until
from tests.integration.rig.settings import USUAL_USERS, settings_text, sts_at, user

ASSETS = find_assets()
if ASSETS is None:
    pytest.skip(
        "the end-to-end tests need kube-apiserver, etcd and kubectl in KUBEBUILDER_ASSETS or PATH; see docs/testing.md",
        allow_module_level=True,
    )

#: By the version of the TokenReviews that kube-apiserver sends: whether it has to prove itself by a certificate.
MUTUAL_TLS = {"v1": False, "v1beta1": True}
MALLORY = f"arn:aws:iam::{OTHER_ACCOUNT}:user/mallory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A control plane, its daemon, and kubectl as somebody."""

    cluster: ControlPlane
    daemon: DaemonProcess
    evidence: Evidence

    def kubectl(self, key: Key, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the holder of an AWS key."""
        folder = self.cluster.folder
        plugin = {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": script("authd-token"),
            "args": ["-i", CLUSTER],
            "interactiveMode": "Never",
        }
        kubeconfig = self.cluster.user_kubeconfig(folder / "user.kubeconfig", plugin)
        options = ["--kubeconfig", str(kubeconfig), "--cache-dir", str(folder / "cache")]
        done = subprocess.run(
            [self.cluster.assets.kubectl, *options, *arguments],
            env=bare_environment(folder, AWS_REGION="us-east-1", **credentials_in_environment(key)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.evidence.said("kubectl", done.stdout + done.stderr)
        return done

    def status(self, token: str) -> int:
        """Return the status that the API server answers to the holder of a token, who wants to list namespaces."""
        return self.cluster.request("GET", "/api/v1/namespaces", token=token)[0]


def write_settings(daemon: DaemonProcess, sts: dict[str, Any], *more: dict[str, Any], mutual_tls: bool) -> None:
    """Write the settings as one rename, as an editor does."""
    pregenerated = {"requireClientCertificate": True, "kubeconfigPregenerated": True} if mutual_tls else {}
    new = daemon.settings.with_suffix(".new")
    new.write_text(settings_text(sts=sts, users=[*USUAL_USERS, *more], healthPort=0, **pregenerated))
    new.replace(daemon.settings)


def init(daemon: DaemonProcess, port: int) -> None:
    """Run `authd init`, before the daemon and the API server start."""
    paths = ["--state-dir", str(daemon.state), "--generate-kubeconfig", str(daemon.kubeconfig)]
    command = [script("authd"), "init", "-c", str(daemon.settings), *paths, "--port", str(port), "--mutual-tls"]
    subprocess.run(command, env=bare_environment(daemon.folder), stdout=subprocess.DEVNULL, timeout=60, check=True)


@pytest.fixture(scope="module", params=MUTUAL_TLS)
def login(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    emulator: EmulatorProcess,
    evidence: Evidence,
) -> Iterator[Login]:
    assert ASSETS is not None
    version, mutual_tls = request.param, MUTUAL_TLS[request.param]
    # kube-apiserver reads the webhook's kubeconfig once: the daemon must be found at the same port for ever.
    (port,) = free_ports(1)
    daemon = DaemonProcess(tmp_path_factory.mktemp("daemon"), evidence, arguments=["--port", str(port)])
    write_settings(daemon, sts_at(emulator.port, emulator.ca), mutual_tls=mutual_tls)
    if mutual_tls:
        init(daemon, port)
    folder = tmp_path_factory.mktemp("cluster")
    with daemon, ControlPlane(folder, ASSETS, daemon.kubeconfig, version) as cluster:
        cluster.let_group_list_namespaces("devs")
        yield Login(cluster=cluster, daemon=daemon, evidence=evidence)


def test_the_mapped_group_decides(login: Login) -> None:
    """A kubectl with authd-token lists what the group that the identity maps to may list."""
    wait_until(lambda: login.kubectl(ALICE_KEY, "get", "namespaces").returncode == 0, "the role to be in force")
    done = login.kubectl(ALICE_KEY, "get", "namespaces", "-o", "name")
    assert done.returncode == 0, done.stderr
    assert "namespace/kube-system" in done.stdout.splitlines()


def test_another_group_may_not(login: Login) -> None:
    """Somebody who is mapped to another group is known by name, and may not."""
    done = login.kubectl(BOB_KEY, "get", "namespaces")
    assert done.returncode != 0
    assert 'User "bob" cannot list resource "namespaces"' in done.stderr


def test_who_is_not_mapped_is_not_let_in(login: Login) -> None:
    """Somebody whom STS knows and the mapping doesn't is unauthorized."""
    done = login.kubectl(MALLORY_KEY, "get", "namespaces")
    assert done.returncode != 0
    assert "Unauthorized" in done.stderr or "must be logged in" in done.stderr


def test_the_api_server_reports_the_whole_identity(login: Login, mint: Mint) -> None:
    """A TokenReview asked of the API server has the user, the groups and the extra of the mapping."""
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": mint.by_signer(ALICE_KEY)},
    }
    status, answer = login.cluster.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert status == 201
    assert answer["status"]["authenticated"] is True
    user_info = answer["status"]["user"]
    assert user_info["username"] == "alice"
    assert user_info["groups"] == ["devs", "on-call", "system:authenticated"]
    assert user_info["extra"]["canonicalArn"] == ["arn:aws:iam::111122223333:user/team/alice"]


def test_tokens_of_every_client_are_accepted(login: Login, mint: Mint) -> None:
    """Tokens of authd-token, of botocore's signer and of the AWS CLI open the API server."""
    for token in (mint.by_script(ALICE_KEY), mint.by_signer(ALICE_KEY, expires=900), mint.by_aws_cli(ALICE_KEY)):
        assert login.status(token) == 200
    assert login.status(mint.by_signer(ALICE_KEY, cluster="another.example.com")) == 401
    assert login.status("k8s-aws-v1.bm90IGEgdG9rZW4") == 401


def test_the_api_servers_own_tokens_still_work(login: Login) -> None:
    """A service account's token is accepted by the API server, whatever the webhook says of it."""
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
    """A user who was just refused is let in as soon as the mapping is written; nothing remembers the refusal."""
    token = mint.by_signer(MALLORY_KEY, expires=600)
    assert login.status(token) == 401
    mutual_tls = MUTUAL_TLS[request.node.callspec.params["login"]]
    sts = sts_at(emulator.port, emulator.ca)
    write_settings(login.daemon, sts, user(MALLORY, "mallory", "devs"), mutual_tls=mutual_tls)
    wait_until(lambda: login.status(token) == 200, "the new user to be let in", seconds=20)
    write_settings(login.daemon, sts, mutual_tls=mutual_tls)
    wait_until(lambda: login.status(mint.by_signer(MALLORY_KEY)) == 401, "the user to be out again", seconds=40)


def test_a_daemon_that_is_down_lets_nobody_in(login: Login, mint: Mint) -> None:
    """While the daemon is down a new token is unauthorized; when it is back the same token is accepted."""
    token = mint.by_signer(ALICE_KEY, expires=555)
    login.daemon.stop()
    assert login.status(token) == 401
    login.daemon.start()
    wait_until(lambda: login.status(token) == 200, "the user to be let in", seconds=30)
