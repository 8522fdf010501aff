"""Mappings in a real cluster: aws-auth and custom resources, with the manifests of deploy/kubernetes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY
from authd.emulator.process import EmulatorProcess
from tests.e2e.rig.assets import find_assets
from tests.e2e.rig.control_plane import ControlPlane
from tests.e2e.rig.identities import create_identities
from tests.e2e.rig.service_account import sign_token
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Mint, bare_environment, script
from tests.integration.rig.polling import wait_until
from tests.integration.rig.settings import ALICE, BOB, settings_text, sts_at, user

ASSETS = find_assets()
if ASSETS is None:
    pytest.skip(
        "the end-to-end tests need kube-apiserver, etcd and kubectl in KUBEBUILDER_ASSETS or PATH; `make e2e` builds them",
        allow_module_level=True,
    )

MANIFESTS = Path(__file__).parents[2] / "deploy" / "kubernetes"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
IN_KUBE_SYSTEM = "/api/v1/namespaces/kube-system"
AWS_AUTH = f"{IN_KUBE_SYSTEM}/configmaps/aws-auth"
OBJECTS = "/apis/iamauthenticator.k8s.aws/v1alpha1/iamidentitymappings"
BINDINGS = f"{RBAC}/namespaces/kube-system/rolebindings"
_PATHS = {
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "ClusterRole": f"{RBAC}/clusterroles",
    "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
    "Role": f"{RBAC}/namespaces/{{}}/roles",
    "RoleBinding": f"{RBAC}/namespaces/{{}}/rolebindings",
}


class Cluster:
    """A control plane with authd's service account, and a daemon that follows it."""

    def __init__(self, plane: ControlPlane, daemon: DaemonProcess, token_file: Path, mint: Mint) -> None:
        self.plane = plane
        self.daemon = daemon
        self.token_file = token_file
        self._mint = mint

    def call(self, method: str, path: str, body: object = None, *, code: int = 0) -> Any:
        status, answer = self.plane.request(method, path, body)
        assert status == code if code else status < 300, answer
        return answer

    def apply(self, name: str, *kinds: str) -> None:
        for manifest in yaml.safe_load_all((MANIFESTS / name).read_text()):
            if not kinds or manifest["kind"] in kinds:
                path = _PATHS[manifest["kind"]].format(manifest["metadata"].get("namespace"))
                self.call("POST", path, manifest)

    def renew_token(self) -> None:
        path = f"{IN_KUBE_SYSTEM}/serviceaccounts/authd/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        }
        self._write_token(self.call("POST", path, request)["status"]["token"])

    def use_token_for(self, seconds: int) -> str:
        """Give the daemon a token that expires soon."""
        account = self.call("GET", f"{IN_KUBE_SYSTEM}/serviceaccounts/authd")
        return self._write_token(sign_token(self.plane.folder / "sa.key", account, seconds))

    def _write_token(self, token: str) -> str:
        self._mint.evidence.secret(token, "a service account's token")
        self.token_file.write_text(token)
        return token

    def put_aws_auth(self, name: str) -> None:
        data = {"mapUsers": f"- userarn: {BOB}\n  username: {name}\n"}
        metadata = {"name": "aws-auth", "namespace": "kube-system"}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        exists = self.plane.request("GET", AWS_AUTH)[0] == 200
        self.call("PUT" if exists else "POST", AWS_AUTH if exists else f"{IN_KUBE_SYSTEM}/configmaps", body)

    def name_of(self, key: tuple[str, ...] = BOB_KEY) -> str:
        answer = json.loads(self.daemon.review(self._mint.by_signer(key, expires=700)).body)
        return answer["status"].get("user", {}).get("username", "")

    def until(self, name: str) -> None:
        wait_until(lambda: self.name_of() == name, f"{name!r} to be in force", seconds=60)

    def problem(self, part: str) -> None:
        wait_until(lambda: part in self.daemon.health("/readyz").body.decode(), f"{part!r} in /readyz", seconds=120)

    def ready(self) -> None:
        wait_until(lambda: self.daemon.health("/readyz").status == 200, "the daemon to be ready", seconds=60)


def object_for(name: str, arn: str, username: str) -> dict[str, Any]:
    spec = {"arn": arn, "username": username}
    return {
        "apiVersion": "iamauthenticator.k8s.aws/v1alpha1",
        "kind": "IAMIdentityMapping",
        "metadata": {"name": name},
        "spec": spec,
    }


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, emulator: EmulatorProcess, evidence: Evidence, mint: Mint
) -> Iterator[Cluster]:
    assert ASSETS is not None
    folder = tmp_path_factory.mktemp("cluster")
    daemon = DaemonProcess(tmp_path_factory.mktemp("daemon"), evidence)
    (folder / "webhook").write_text("apiVersion: v1\nkind: Config\nclusters: [{name: w, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        "users: [{name: u}]\ncontexts: [{name: c, context: {cluster: w, user: u}}]\ncurrent-context: c\n")  # fmt: skip
    with ControlPlane(folder, ASSETS, folder / "webhook", "v1") as plane:
        token = folder / "token"
        it = Cluster(plane, daemon, token, mint)
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "authd", "namespace": "kube-system"},
        }
        wait_until(lambda: plane.request("GET", "/api/v1/namespaces/kube-system")[0] == 200, "kube-system")
        it.call("POST", f"{IN_KUBE_SYSTEM}/serviceaccounts", account)
        it.renew_token()
        it.apply("crd.yaml")
        it.apply("rbac-eks-configmap.yaml")
        it.apply("rbac-crd.yaml")
        wait_until(lambda: plane.request("GET", OBJECTS)[0] == 200, "the custom resources to be served", seconds=60)
        kubeconfig = folder / "authd.kubeconfig"
        kubeconfig.write_text(
            f"clusters: [{{name: c, cluster: {{server: '{plane.url}', certificate-authority: ca.crt}}}}]\n"
            "users: [{name: u, user: {tokenFile: token}}]\n"
            "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n"
        )
        daemon.settings.write_text(
            settings_text(
                sts=sts_at(emulator.port, emulator.ca),
                users=[user(ALICE, "break-glass", "system:masters")],
                roles=[],
                healthPort=0,
                backendMode=["MountedFile", "EKSConfigMap", "CRD"],
                kubeconfig=str(kubeconfig),
            )
        )
        with daemon:
            it.ready()
            yield it


def test_edits(cluster: Cluster) -> None:
    """Edits of the ConfigMap come into force, and the first source decides."""
    cluster.put_aws_auth("first")
    cluster.until("first")
    cluster.put_aws_auth("second")
    cluster.until("second")
    assert cluster.name_of(ALICE_KEY) == "break-glass"
    cluster.call("POST", OBJECTS, object_for("bob", BOB, "by-object"))
    cluster.put_aws_auth("third")
    cluster.until("third")
    cluster.call("DELETE", f"{OBJECTS}/bob")


def test_objects(cluster: Cluster) -> None:
    """Objects come into force and get a status. Unusable ones are rejected or reported."""
    carol = BOB.replace("user/bob", "role/Carol")
    cluster.call("POST", OBJECTS, object_for("carol", carol, "carol"))
    status = wait_until(lambda: cluster.call("GET", f"{OBJECTS}/carol").get("status"), "the status", seconds=60)
    assert status["canonicalARN"] == carol.lower()
    cluster.call("POST", OBJECTS, object_for("bad", "nonsense", "x"), code=422)
    cluster.call("POST", OBJECTS, object_for("carol-again", carol, "other"))
    events = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.kind%3DIAMIdentityMapping"
    found = wait_until(lambda: len(cluster.call("GET", events)["items"]) >= 2 and cluster.call("GET", events), "Events")
    assert {event["reason"] for event in found["items"]} == {"DuplicateARN"}
    cluster.problem("iamidentitymapping carol-again")
    for name in ("carol", "carol-again"):
        cluster.call("DELETE", f"{OBJECTS}/{name}")
    cluster.ready()


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"arn": BOB, "validFrom": "2020-01-01", "validUntil": "2999-12-31T18:00:00Z"}, 201),
        ({"sso": {"permissionSetName": "Dev", "accountID": "111122223333"}}, 201),
        ({"sso": {"permissionSetName": "Dev", "accountID": "111122223333", "partition": "aws"}}, 201),
        ({"arn": BOB, "validUntil": "tomorrow"}, 422),
        ({"arn": BOB, "validFrom": "2999-12-31 18:00:00"}, 422),
        ({"arn": BOB, "sso": {"permissionSetName": "Dev", "accountID": "111122223333"}}, 422),
        ({"sso": {"permissionSetName": "Dev"}}, 422),
        ({"sso": {"permissionSetName": "a b", "accountID": "111122223333"}}, 422),
        ({}, 422),
    ],
)
def test_members_of_objects(cluster: Cluster, spec: dict[str, Any], code: int) -> None:
    """The API server stores valid permission sets, ARNs and times unchanged, and rejects anything else."""
    body = {**object_for("probe", BOB, "x"), "spec": {**spec, "username": "x"}}
    stored = cluster.call("POST", OBJECTS, body, code=code)
    if code == 201:
        assert stored["spec"] == body["spec"]
        cluster.call("DELETE", f"{OBJECTS}/probe")


def test_restart_of_the_api_server(cluster: Cluster) -> None:
    """While the API server is down, the mappings stay and the outage is reported. Later edits come into force."""
    cluster.put_aws_auth("before")
    cluster.until("before")
    cluster.plane.stop_apiserver()
    try:
        cluster.problem("EKSConfigMap")
        assert cluster.name_of() == "before"
    finally:
        cluster.plane.start_apiserver()
    cluster.put_aws_auth("after")
    cluster.until("after")
    cluster.ready()


def test_start_without_the_api_server(cluster: Cluster) -> None:
    """A daemon that starts while the API server is down has its last mappings, and later follows the API server."""
    cluster.put_aws_auth("before")
    cluster.until("before")
    cluster.daemon.stop()
    cluster.plane.stop_apiserver()
    try:
        cluster.daemon.start()
        assert cluster.name_of() == "before"
        cluster.problem("in force is a copy of")
    finally:
        cluster.plane.start_apiserver()
    cluster.put_aws_auth("after")
    cluster.until("after")
    cluster.ready()


def test_paused_etcd(cluster: Cluster) -> None:
    """While etcd hangs, reviews are decided as before, and the outage is reported although the watch stays open."""
    cluster.put_aws_auth("before")
    cluster.until("before")
    with cluster.plane.etcd.paused():
        cluster.problem("did not answer in time")
        assert cluster.name_of() == "before"
    wait_until(cluster.plane._is_ready, "the API server to be ready", seconds=120)
    cluster.put_aws_auth("after")
    cluster.until("after")
    cluster.ready()


def test_revoked_permissions(cluster: Cluster) -> None:
    """Revoked permissions are reported during the watch, no mapping is lost, and restored permissions are used."""
    cluster.put_aws_auth("before")
    cluster.until("before")
    cluster.call("DELETE", f"{BINDINGS}/authd-aws-auth")
    cluster.problem("configmap kube-system/aws-auth: the API server answered 403")
    assert cluster.name_of() == "before"
    cluster.apply("rbac-eks-configmap.yaml", "RoleBinding")
    cluster.put_aws_auth("after")
    cluster.until("after")
    cluster.ready()


def test_revoked_permissions_at_a_new_watch(cluster: Cluster) -> None:
    """If the API server restarts and denies access, the mappings stay and the denial is reported."""
    cluster.put_aws_auth("before")
    cluster.until("before")
    cluster.call("DELETE", f"{BINDINGS}/authd-aws-auth")
    cluster.plane.stop_apiserver()
    cluster.plane.start_apiserver()
    cluster.problem("403")
    assert cluster.name_of() == "before"
    cluster.apply("rbac-eks-configmap.yaml", "RoleBinding")
    cluster.put_aws_auth("after")
    cluster.until("after")
    cluster.ready()


def test_expired_token(cluster: Cluster) -> None:
    """An expired token is reported, no mapping is lost, and the next token is used."""
    cluster.put_aws_auth("before")
    cluster.until("before")
    token = cluster.use_token_for(seconds=15)
    assert cluster.plane.request("GET", AWS_AUTH, token=token)[0] == 200
    cluster.problem("the API server answered 401")
    assert cluster.plane.request("GET", AWS_AUTH, token=token)[0] == 401
    assert cluster.name_of() == "before"
    cluster.plane.stop_apiserver()
    cluster.plane.start_apiserver()
    cluster.problem("the API server answered 401")
    assert cluster.name_of() == "before"
    cluster.renew_token()
    cluster.put_aws_auth("after")
    cluster.until("after")
    cluster.ready()


def test_commands(cluster: Cluster, tmp_path: Path) -> None:
    """`authd add`, `list` and `remove` work with a client certificate."""
    folder = cluster.plane.folder
    kubeconfig = tmp_path / "admin.kubeconfig"
    kubeconfig.write_text(
        f"clusters: [{{name: c, cluster: {{server: '{cluster.plane.url}', certificate-authority: {folder}/ca.crt}}}}]\n"
        f"users: [{{name: u, user: {{client-certificate: {folder}/admin.crt, client-key: {folder}/admin.key}}}}]\n"
        "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n"
    )
    cluster.put_aws_auth("bob")

    def authd(*arguments: str) -> str:
        command = [script("authd"), *arguments, "--kubeconfig", str(kubeconfig)]
        run = subprocess.run(command, env=bare_environment(tmp_path), capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return run.stdout

    role = BOB.replace("user/bob", "role/Dev")
    for place in ("aws-auth", "crd"):
        until = ("--valid-until", "2999-12-31")
        authd("add", "role", "--rolearn", role, "--username", "dev", "--in", place, "--prompt=false", *until)
        assert f"{role}  dev  -  validUntil 2999-12-31" in authd("list", "--in", place)
        authd("remove", "role", "--rolearn", role, "--in", place, "--prompt=false")
        assert role not in authd("list", "--in", place)


def test_ten_thousand_objects(cluster: Cluster, tmp_path: Path, evidence: Evidence) -> None:
    """Ten thousand objects come into force by the watch, and by the list of a new daemon, while reviews are decided.

    This test is the last one, because deleting the objects takes a minute.
    """
    cluster.put_aws_auth("bob")
    cluster.until("bob")
    create_identities(cluster.plane, 10_000)

    def in_force(daemon: DaemonProcess) -> bool:
        assert cluster.name_of() == "bob"
        return any(event["message"] == "CRD: 10000 rules in force" for event in daemon.events())

    wait_until(lambda: in_force(cluster.daemon), "the watch to bring all objects", seconds=120)
    second = DaemonProcess(tmp_path / "second", evidence)
    second.settings.write_text(cluster.daemon.settings.read_text())
    with second:
        wait_until(lambda: in_force(second), "the list to bring all objects", seconds=120)
        assert not any(event["level"] in ("error", "critical") for event in second.events())
