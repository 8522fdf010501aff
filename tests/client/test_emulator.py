"""Tokens and roles against the emulator, which verifies every signature."""

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
    """Send the token's request to the emulator with the token's own host, as an authenticator does."""
    parts = urlsplit(url)
    context = ssl.create_default_context(cafile=emulator["ca"])
    connection = http.client.HTTPSConnection("127.0.0.1", int(emulator["port"]), context=context, timeout=30)
    headers = {"Host": parts.netloc, "x-k8s-aws-id": cluster, "Accept": "application/json"}
    connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    if response.status != http.HTTPStatus.OK:
        return response.status, body
    return response.status, json.loads(body)["GetCallerIdentityResponse"]["GetCallerIdentityResult"]["Arn"]


def test_a_token_of_the_fast_path_is_accepted(
    authd_token: Callable, alice: dict[str, str], emulator: dict[str, str]
) -> None:
    """A token of the fast path is valid for its own cluster ID only."""
    del alice["AWS_ENDPOINT_URL_STS"], alice["AWS_CA_BUNDLE"]
    url = authd_token("-i", "prod").url
    assert _identity(emulator, url, "prod") == (200, f"arn:aws:iam::{sample.ACCOUNT}:user/team/alice")
    status, body = _identity(emulator, url, "other")
    assert status == 403
    assert "SignatureDoesNotMatch" in body


def test_a_token_of_a_role_is_accepted(authd_token: Callable, alice: dict[str, str], emulator: dict[str, str]) -> None:
    """A token signed with an assumed role's temporary credentials identifies the role and the session name."""
    result = authd_token("-i", "prod", "-r", f"{ROLES}/Admin", "-s", "alice-at-work")
    assert result.status == 0, result.err
    expected = f"arn:aws:sts::{sample.ACCOUNT}:assumed-role/Admin/alice-at-work"
    assert _identity(emulator, result.url, "prod") == (200, expected)


def test_a_session_token_of_the_environment_is_accepted(
    authd_token: Callable, alice: dict[str, str], emulator: dict[str, str]
) -> None:
    """A token of the fast path with temporary credentials of a federated user is accepted."""
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
    """A profile's role is assumed first, and then a role of another account with its credentials."""
    write_aws("config", f"[profile admin]\nrole_arn = {ROLES}/Admin\ncredential_source = Environment\n")
    role = f"arn:aws:iam::{sample.OTHER_ACCOUNT}:role/Deployer"
    result = authd_token("-i", "prod", "--profile", "admin", "-r", role)
    assert result.status == 0, result.err
    assert _identity(emulator, result.url, "prod")[1].startswith(
        f"arn:aws:sts::{sample.OTHER_ACCOUNT}:assumed-role/Deployer/"
    )


def test_a_web_identity(
    authd_token: Callable, environ: dict[str, str], emulator: dict[str, str], tmp_path: Path
) -> None:
    """A web identity token is exchanged for a role's credentials, and the token identifies the role."""
    token = tmp_path / "token"
    token.write_text(sample.WEB_IDENTITY_TOKEN)
    result = authd_token(
        "-i", "prod", AWS_ROLE_ARN=f"{ROLES}/Pipeline", AWS_WEB_IDENTITY_TOKEN_FILE=str(token), AWS_REGION="us-east-1",
        AWS_ENDPOINT_URL_STS=emulator["address"], AWS_CA_BUNDLE=emulator["ca"],
    )  # fmt: skip
    assert result.status == 0, result.err
    assert "assumed-role/Pipeline/" in _identity(emulator, result.url, "prod")[1]


def test_an_external_id(authd_token: Callable, alice: dict[str, str]) -> None:
    """If a role requires an external ID, the error without it names the option, and with it the role is assumed."""
    message = authd_token("-i", "prod", "-r", f"{ROLES}/Partner").message()
    assert "user/team/alice" in message
    assert "--external-id" in message
    assert authd_token("-i", "prod", "-r", f"{ROLES}/Partner", "-e", sample.EXTERNAL_ID).status == 0


def test_a_role_without_trust(authd_token: Callable, alice: dict[str, str]) -> None:
    """The error names the refused role and the caller."""
    message = authd_token("-i", "prod", "-r", f"{ROLES}/Closed").message()
    assert f"{ROLES}/Closed" in message
    assert f"arn:aws:iam::{sample.ACCOUNT}:user/team/alice" in message


def test_a_wrong_secret(authd_token: Callable, alice: dict[str, str]) -> None:
    """If the clock is right, a signature mismatch is explained by a wrong secret key."""
    alice["AWS_SECRET_ACCESS_KEY"] = "wrong"
    assert "secret access key does not match" in authd_token("-i", "prod", "-r", f"{ROLES}/Admin").message()


def test_why(authd_token: Callable, alice: dict[str, str]) -> None:
    """--why reports cluster, host, region, key, identity and clock, and repeats the daemon's reference."""
    result = authd_token("-i", "prod", "-r", f"{ROLES}/Admin", "-s", "me", "--why=R7Q2")
    assert result.status == 0, result.err
    for word in (
        "prod",
        "sts.us-east-1.amazonaws.com",
        "us-east-1",
        "assumed-role/Admin/me",
        "agrees with STS",
        "R7Q2",
        "ASIA",
    ):
        assert word in result.out
    assert "k8s-aws-v1" not in result.out
    assert sample.ALICE_KEY[1] not in result.out + result.err


def test_why_names_the_wrong_key(authd_token: Callable, alice: dict[str, str]) -> None:
    """--why with a key that STS doesn't know gives an error instead of a report."""
    assert (
        "does not know the access key" in authd_token("-i", "prod", "--why", AWS_ACCESS_KEY_ID="AKIANOBODY").message()
    )


def test_a_wrong_region(authd_token: Callable, alice: dict[str, str]) -> None:
    """If a call is signed for another region than the endpoint's, the error names the option for the region."""
    message = authd_token("-i", "prod", "-r", f"{ROLES}/Admin", "--region", "eu-west-1").message()
    assert "--region" in message
