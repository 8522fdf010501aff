"""Features of current API servers around the webhook: structured authentication, audiences, extra and impersonation.

They came with Kubernetes 1.28 (SelfSubjectReview) to 1.34 (the stable AuthenticationConfiguration).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY
from authd.emulator.process import EmulatorProcess
from tests.e2e.rig.assets import find_assets
from tests.e2e.rig.control_plane import ControlPlane
from tests.e2e.rig.issuer import AUDIENCE, Issuer, serve_issuer
from tests.e2e.rig.login import Login, write_settings
from tests.e2e.rig.versions import apiserver_version
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Mint
from tests.integration.rig.ports import free_port
from tests.integration.rig.settings import ALICE, sts_at

ASSETS = find_assets()
if ASSETS is None:
    pytest.skip("kube-apiserver, etcd or kubectl is missing; `make e2e` builds them", allow_module_level=True)
if apiserver_version(ASSETS.apiserver) < (1, 34):
    pytest.skip("the API server is older than 1.34", allow_module_level=True)

OWN_AUDIENCE = "https://kubernetes.default.svc"
OTHER_AUDIENCE = "https://other.example.com"


def authentication_config(file: Path, issuer: Issuer) -> Path:
    """Write the file of `--authentication-config`: tokens of one issuer, and anonymous requests to health checks."""
    issued = {"url": issuer.url, "certificateAuthority": issuer.ca, "audiences": [AUDIENCE]}
    username = {"claim": "sub", "prefix": "oidc:"}
    content = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": [{"issuer": issued, "claimMappings": {"username": username}}],
        "anonymous": {"enabled": True, "conditions": [{"path": "/livez"}, {"path": "/readyz"}]},
    }
    file.write_text(json.dumps(content))
    return file


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with serve_issuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def login(
    tmp_path_factory: pytest.TempPathFactory, emulator: EmulatorProcess, evidence: Evidence, issuer: Issuer
) -> Iterator[Login]:
    assert ASSETS is not None
    port = free_port()
    daemon = DaemonProcess(tmp_path_factory.mktemp("daemon"), evidence, arguments=["--port", str(port)])
    sts = sts_at(emulator.port, emulator.ca)
    write_settings(daemon, sts, audiences=[OWN_AUDIENCE], userExtra="lowercase")
    folder = tmp_path_factory.mktemp("cluster")
    flags = [
        f"--authentication-config={authentication_config(folder / 'authentication.json', issuer)}",
        f"--api-audiences={OWN_AUDIENCE},{OTHER_AUDIENCE}",
    ]
    with daemon, ControlPlane(folder, ASSETS, daemon.kubeconfig, "v1", flags) as cluster:
        rule = {"apiGroups": ["", "authentication.k8s.io"], "verbs": ["impersonate"]}
        kinds = ["users", "groups", "uids", "userextras/arn", "userextras/canonicalarn"]
        cluster.grant("impersonators", "on-call", {**rule, "resources": kinds})
        yield Login(cluster=cluster, daemon=daemon, evidence=evidence)


def test_tokens_of_another_issuer_work_beside_the_webhook(login: Login, mint: Mint, issuer: Issuer) -> None:
    """With `--authentication-config`, both ID tokens and AWS tokens are accepted, each with its own user name."""
    token = issuer.token("frank")
    login.evidence.secret(token, "an ID token")
    status, user = login.whoami(token)
    assert (status, user["username"]) == (201, "oidc:frank")
    status, user = login.whoami(mint.by_signer(ALICE_KEY))
    assert (status, user["username"]) == (201, "alice")


def test_a_forged_id_token_is_unauthorized(login: Login, issuer: Issuer) -> None:
    """An ID token with a wrong signature gets 401, because the webhook accepts no token with a foreign prefix."""
    forged = issuer.token("frank")[:-8] + "AAAAAAAA"
    login.evidence.secret(forged, "an ID token")
    assert login.whoami(forged)[0] == 401


def test_kubectl_shows_the_whole_identity(login: Login) -> None:
    """`kubectl auth whoami` shows user, groups, UID and extra in the spelling of `userExtra: lowercase`."""
    done = login.kubectl(ALICE_KEY, "auth", "whoami", "-o", "json")
    assert done.returncode == 0, done.stderr
    user = json.loads(done.stdout)["status"]["userInfo"]
    assert user["username"] == "alice"
    assert user["groups"] == ["devs", "on-call", "system:authenticated"]
    assert user["uid"].startswith("aws-iam-authenticator:111122223333:AIDA")
    assert user["extra"]["canonicalarn"] == [ALICE]
    assert all(key == key.lower() for key in user["extra"]), user["extra"]


def test_a_token_is_valid_for_the_configured_audience_only(login: Login, mint: Mint) -> None:
    """A token is accepted for the audience in authd's settings, and refused for another audience of the API server."""
    token = mint.by_signer(ALICE_KEY)
    accepted = login.review(token)
    assert (accepted["authenticated"], accepted["audiences"]) == (True, [OWN_AUDIENCE])
    assert login.review(token, [OWN_AUDIENCE])["authenticated"] is True
    refused = login.review(mint.by_signer(ALICE_KEY, expires=61), [OTHER_AUDIENCE])
    assert not refused.get("authenticated")
    assert login.review(token, [OTHER_AUDIENCE, OWN_AUDIENCE])["audiences"] == [OWN_AUDIENCE]


def test_extra_in_lower_case_survives_impersonation(login: Login, mint: Mint) -> None:
    """A caller with the permission impersonates a user with the same extra keys as after a login."""
    arn = "arn:aws:iam::111122223333:user/bob"
    headers = {
        "Impersonate-User": "bob",
        "Impersonate-Group": "ops",
        "Impersonate-Extra-canonicalarn": arn,
        "Impersonate-Extra-arn": arn,
    }
    status, impersonated = login.whoami(mint.by_signer(ALICE_KEY), headers)
    assert status == 201
    assert impersonated["username"] == "bob"
    assert set(impersonated["groups"]) == {"ops", "system:authenticated"}
    _, real = login.whoami(mint.by_signer(BOB_KEY))
    assert impersonated["extra"] == {key: real["extra"][key] for key in ("arn", "canonicalarn")}


def test_impersonation_requires_the_permission(login: Login, mint: Mint) -> None:
    """A caller without the permission to impersonate gets 403."""
    assert login.whoami(mint.by_signer(BOB_KEY), {"Impersonate-User": "alice"})[0] == 403
