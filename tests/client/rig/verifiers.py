"""Two services that identify a token's signer: the emulator, which verifies signatures, and moto, an independent STS."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import botocore.session

from authd.emulator.directory import sample

CLUSTER = "prod"
ROLES = f"arn:aws:iam::{sample.ACCOUNT}:role"
SESSION = "me"


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials that a verifier knows, with the ARN of their identity."""

    key_id: str
    secret: str
    session_token: str
    arn: str


@dataclass(frozen=True, slots=True)
class Verifier:
    """An STS with the settings to use it, credentials of a user and of a role session, and a function to verify tokens.

    `identify` returns the ARN of the signer of a presigned URL.
    """

    name: str
    url: str
    settings: dict[str, str]
    user: Keys
    role: Keys
    identify: Callable[[str], str]


def emulator_verifier(emulator: dict[str, str]) -> Verifier:
    """Return the emulator as a verifier. It accepts only signatures that are valid for the cluster."""
    address, authority = f"https://127.0.0.1:{emulator['port']}", emulator["ca"]
    user = Keys(*sample.ALICE_KEY, "", f"arn:aws:iam::{sample.ACCOUNT}:user/team/alice")

    def identify(url: str) -> str:
        parts = urlsplit(url)
        context = ssl.create_default_context(cafile=authority)
        connection = http.client.HTTPSConnection("127.0.0.1", int(emulator["port"]), context=context, timeout=30)
        headers = {"Host": parts.netloc, "x-k8s-aws-id": CLUSTER, "Accept": "application/json"}
        body = _get(connection, f"{parts.path}?{parts.query}", headers)
        return str(json.loads(body)["GetCallerIdentityResponse"]["GetCallerIdentityResult"]["Arn"])

    settings = {"AWS_ENDPOINT_URL_STS": address, "AWS_CA_BUNDLE": authority}
    return Verifier("emulator", address, settings, user, _role_session(address, user, authority), identify)


def moto_verifier(address: str) -> Verifier:
    """Return moto as a verifier.

    moto reads the signer only from the Authorization header, so the signature in the token's query is repeated there.
    """
    iam = _client("iam", address, Keys("AKIA", "secret", "", ""))
    iam.create_user(UserName="alice", Path="/team/")
    made = iam.create_access_key(UserName="alice")["AccessKey"]
    user = Keys(made["AccessKeyId"], made["SecretAccessKey"], "", "arn:aws:iam::123456789012:user/team/alice")

    def identify(url: str) -> str:
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        authorization = ", ".join(
            f"{name}={query[f'X-Amz-{name}']}" for name in ("Credential", "SignedHeaders", "Signature")
        )
        headers = {"Host": parts.netloc, "x-k8s-aws-id": CLUSTER, "Authorization": f"AWS4-HMAC-SHA256 {authorization}"}
        body = _get(http.client.HTTPConnection(urlsplit(address).netloc, timeout=30), f"/?{parts.query}", headers)
        found = re.search("<GetCallerIdentityResult>.*<Arn>([^<]+)</Arn>", body, re.DOTALL)
        assert found is not None, body
        return found[1]

    return Verifier(
        "moto", address, {"AWS_ENDPOINT_URL_STS": address}, user, _role_session(address, user, None), identify
    )


def _get(connection: http.client.HTTPConnection, target: str, headers: dict[str, str]) -> str:
    connection.request("GET", target, headers=headers)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    assert response.status == http.HTTPStatus.OK, body
    return body


def _role_session(address: str, user: Keys, authority: str | None) -> Keys:
    client = _client("sts", address, user, verify=authority)
    response = client.assume_role(RoleArn=f"{ROLES}/Admin", RoleSessionName="given")
    client.close()
    keys = response["Credentials"]
    return Keys(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], response["AssumedRoleUser"]["Arn"])


def _client(service: str, address: str, keys: Keys, **more: Any) -> Any:
    session = botocore.session.Session()
    return session.create_client(
        service, region_name="us-east-1", endpoint_url=address, aws_access_key_id=keys.key_id,
        aws_secret_access_key=keys.secret, **more,
    )  # fmt: skip
