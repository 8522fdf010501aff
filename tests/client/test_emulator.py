"""Tokens and roles against the emulator, which checks every signature for itself."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from authd.emulator.directory import sample

ROLES = f"arn:aws:iam::{sample.ACCOUNT}:role"


@pytest.fixture
def alice(environ: dict[str, str], emulator: dict[str, str]) -> dict[str, str]:
    """Set Alice's keys, and send calls to the emulator."""
    environ.update(
        AWS_ACCESS_KEY_ID=sample.ALICE_KEY[0],
        AWS_SECRET_ACCESS_KEY=sample.ALICE_KEY[1],
        AWS_REGION="us-east-1",
        AWS_ENDPOINT_URL_STS=emulator["address"],
        AWS_CA_BUNDLE=emulator["ca"],
    )
    return environ


def _identity(emulator: dict[str, str], url: str, cluster: str) -> tuple[int, str]:
    """Ask the emulator as a verifier does, with the token's own host."""
    parts = urlsplit(url)
    context = ssl.create_default_context(cafile=emulator["ca"])
    connection = http.client.HTTPSConnection("127.0.0.1", int(emulator["port"]), context=context, timeout=30)
    headers = {"Host": parts.netloc, "x-k8s-aws-id": cluster, "Accept": "application/json"}
    connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    if answer.status != http.HTTPStatus.OK:
        return answer.status, body
    return answer.status, json.loads(body)["GetCallerIdentityResponse"]["GetCallerIdentityResult"]["Arn"]


def test_a_token_signed_by_hand_is_accepted(
    authd_token: Callable, alice: dict[str, str], emulator: dict[str, str]
) -> None:
    """A token of the fast path proves its signer's identity, only to the cluster that it names."""
    del alice["AWS_ENDPOINT_URL_STS"], alice["AWS_CA_BUNDLE"]
    url = authd_token("-i", "prod").url
    assert _identity(emulator, url, "prod") == (200, f"arn:aws:iam::{sample.ACCOUNT}:user/team/alice")
    status, body = _identity(emulator, url, "other")
    assert status == 403
    assert "SignatureDoesNotMatch" in body


def test_a_token_of_a_role_is_accepted(authd_token: Callable, alice: dict[str, str], emulator: dict[str, str]) -> None:
    """A token made with an assumed role's temporary credentials proves the role and the session name."""
    answer = authd_token("-i", "prod", "-r", f"{ROLES}/Admin", "-s", "alice-at-work")
    assert answer.status == 0, answer.err
    expected = f"arn:aws:sts::{sample.ACCOUNT}:assumed-role/Admin/alice-at-work"
    assert _identity(emulator, answer.url, "prod") == (200, expected)


def test_a_session_token_of_the_environment_is_accepted(
    authd_token: Callable, alice: dict[str, str], emulator: dict[str, str]
) -> None:
    """Temporary credentials of a federated user, signed by hand, are accepted."""
    del alice["AWS_ENDPOINT_URL_STS"], alice["AWS_CA_BUNDLE"]
    alice.update(
        AWS_ACCESS_KEY_ID=sample.FEDERATED_KEY[0], AWS_SECRET_ACCESS_KEY=sample.FEDERATED_KEY[1],
        AWS_SESSION_TOKEN=sample.FEDERATED_TOKEN,
    )  # fmt: skip
    status, arn = _identity(emulator, authd_token("-i", "prod").url, "prod")
    assert (status, arn.rpartition("/")[2]) == (200, "carol")


def test_a_chain_of_roles(
    authd_token: Callable, alice: dict[str, str], emulator: dict[str, str], write_aws: Callable
) -> None:
    """A profile's role, and from it another account's, are assumed one after the other."""
    write_aws("config", f"[profile admin]\nrole_arn = {ROLES}/Admin\ncredential_source = Environment\n")
    role = f"arn:aws:iam::{sample.OTHER_ACCOUNT}:role/Deployer"
    answer = authd_token("-i", "prod", "--profile", "admin", "-r", role)
    assert answer.status == 0, answer.err
    assert _identity(emulator, answer.url, "prod")[1].startswith(
        f"arn:aws:sts::{sample.OTHER_ACCOUNT}:assumed-role/Deployer/"
    )


def test_a_web_identity(
    authd_token: Callable, environ: dict[str, str], emulator: dict[str, str], tmp_path: Path
) -> None:
    """A web identity token is exchanged and the token proves its role."""
    token = tmp_path / "token"
    token.write_text(sample.WEB_IDENTITY_TOKEN)
    answer = authd_token(
        "-i", "prod", AWS_ROLE_ARN=f"{ROLES}/Pipeline", AWS_WEB_IDENTITY_TOKEN_FILE=str(token), AWS_REGION="us-east-1",
        AWS_ENDPOINT_URL_STS=emulator["address"], AWS_CA_BUNDLE=emulator["ca"],
    )  # fmt: skip
    assert answer.status == 0, answer.err
    assert "assumed-role/Pipeline/" in _identity(emulator, answer.url, "prod")[1]


def test_an_external_id(authd_token: Callable, alice: dict[str, str]) -> None:
    """A role that demands an external id is refused without it, with the option that gives it, and assumed with it."""
    sentence = authd_token("-i", "prod", "-r", f"{ROLES}/Partner").sentence()
    assert "user/team/alice" in sentence
    assert "--external-id" in sentence
    assert authd_token("-i", "prod", "-r", f"{ROLES}/Partner", "-e", sample.EXTERNAL_ID).status == 0


def test_a_role_that_trusts_nobody(authd_token: Callable, alice: dict[str, str]) -> None:
    """A refused role is named together with the caller."""
    sentence = authd_token("-i", "prod", "-r", f"{ROLES}/Closed").sentence()
    assert f"{ROLES}/Closed" in sentence
    assert f"arn:aws:iam::{sample.ACCOUNT}:user/team/alice" in sentence


def test_a_wrong_secret(authd_token: Callable, alice: dict[str, str]) -> None:
    """A secret that isn't the key's is called that, since the clock is right."""
    alice["AWS_SECRET_ACCESS_KEY"] = "wrong"
    assert "secret access key does not match" in authd_token("-i", "prod", "-r", f"{ROLES}/Admin").sentence()


def test_why(authd_token: Callable, alice: dict[str, str]) -> None:
    """--why tells cluster, host, region, key, identity and clock, and repeats the daemon's reference."""
    answer = authd_token("-i", "prod", "-r", f"{ROLES}/Admin", "-s", "me", "--why=R7Q2")
    assert answer.status == 0, answer.err
    for word in (
        "prod",
        "sts.us-east-1.amazonaws.com",
        "us-east-1",
        "assumed-role/Admin/me",
        "agrees with STS",
        "R7Q2",
        "ASIA",
    ):
        assert word in answer.out
    assert "k8s-aws-v1" not in answer.out
    assert sample.ALICE_KEY[1] not in answer.out + answer.err


def test_why_names_the_wrong_key(authd_token: Callable, alice: dict[str, str]) -> None:
    """--why with a key that STS doesn't know says so, instead of a report."""
    assert (
        "does not know the access key" in authd_token("-i", "prod", "--why", AWS_ACCESS_KEY_ID="AKIANOBODY").sentence()
    )


def test_a_wrong_region(authd_token: Callable, alice: dict[str, str]) -> None:
    """A call that is signed for another region than the endpoint's is explained by the region."""
    sentence = authd_token("-i", "prod", "-r", f"{ROLES}/Admin", "--region", "eu-west-1").sentence()
    assert "--region" in sentence
