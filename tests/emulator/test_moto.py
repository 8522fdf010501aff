from __future__ import annotations

from collections.abc import Callable
from typing import Any

import botocore.exceptions
import botocore.session
import pytest
from moto import mock_aws

from authd.emulator.directory.sample import ACCOUNT, ALICE_KEY, WEB_IDENTITY_TOKEN

ROLE = f"arn:aws:iam::{ACCOUNT}:role/Admin"


def shape(value: Any) -> Any:
    """Keep names and types. Drop values, HTTP metadata and optional members."""
    optional = {
        "ResponseMetadata",
        "PackedPolicySize",
        "SourceIdentity",
        "Provider",
        "Audience",
        "SubjectFromWebIdentityToken",
    }
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items() if name not in optional}
    return type(value)


@pytest.fixture
def moto_client(monkeypatch: pytest.MonkeyPatch):
    with mock_aws():
        yield botocore.session.get_session().create_client(
            "sts", region_name="us-east-1", aws_access_key_id=ALICE_KEY[0], aws_secret_access_key=ALICE_KEY[1]
        )


CALLS: list[tuple[str, dict[str, str]]] = [
    ("get_caller_identity", {}),
    ("assume_role", {"RoleArn": ROLE, "RoleSessionName": "a-session"}),
    (
        "assume_role_with_web_identity",
        {
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/Pipeline",
            "RoleSessionName": "a-session",
            "WebIdentityToken": WEB_IDENTITY_TOKEN,
        },
    ),
]


@pytest.fixture
def ours(sts_client: Callable[..., Any]) -> dict[str, Any]:
    client = sts_client()
    return {method: getattr(client, method)(**parameters) for method, parameters in CALLS}


@pytest.mark.parametrize(("method", "parameters"), CALLS)
def test_same_shapes(ours: dict[str, Any], moto_client: Any, method: str, parameters: dict[str, str]) -> None:
    """Botocore parses the same members and types from the emulator and from moto's STS."""
    theirs = getattr(moto_client, method)(**parameters)
    assert shape(ours[method]) == shape(theirs)


def test_same_session_names(ours: dict[str, Any], moto_client: Any) -> None:
    """Both give a role session the same ARN, and an ID that ends with the session name."""
    theirs = moto_client.assume_role(RoleArn=ROLE, RoleSessionName="a-session")["AssumedRoleUser"]
    assert ours["assume_role"]["AssumedRoleUser"]["Arn"] == theirs["Arn"]
    for user in (ours["assume_role"]["AssumedRoleUser"], theirs):
        assert user["AssumedRoleId"].startswith("ARO")
        assert user["AssumedRoleId"].endswith(":a-session")


def test_same_refusal_of_a_long_session_name(sts_client: Callable[..., Any], moto_client: Any) -> None:
    """Both refuse a session name of 65 characters as a validation error, with nearly the same message."""
    messages = []
    ours = sts_client()
    for client in (ours, moto_client):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            client.assume_role(RoleArn=ROLE, RoleSessionName="x" * 65)
        assert caught.value.response["Error"]["Code"] == "ValidationError"
        messages.append(" ".join(caught.value.response["Error"]["Message"].split()))
    assert messages[0] == messages[1]
