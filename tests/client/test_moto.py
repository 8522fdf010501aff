"""moto's STS as a second opinion on how roles are assumed."""

from __future__ import annotations

from collections.abc import Callable

ROLE = "arn:aws:iam::123456789012:role/KubernetesAdmin"


def test_moto_lets_the_role_be_assumed(authd_token: Callable, keys: dict[str, str], moto: str) -> None:
    """The role is assumed at moto: it takes the AssumeRole call, and the token is signed by what it gave."""
    answer = authd_token("-i", "prod", "-r", ROLE, "-s", "me", "--duration", "15m", AWS_ENDPOINT_URL_STS=moto)
    assert answer.status == 0, answer.err
    assert answer.key_id.startswith("ASIA")
    assert "X-Amz-Security-Token" in answer.query
    assert answer.host == "sts.eu-west-1.amazonaws.com"


def test_moto_names_the_identity(authd_token: Callable, keys: dict[str, str], moto: str) -> None:
    """--why reports the identity that moto gives to the assumed role."""
    answer = authd_token("-i", "prod", "-r", ROLE, "-s", "me", "--why", AWS_ENDPOINT_URL_STS=moto)
    assert "assumed-role/KubernetesAdmin/me" in answer.out, answer.err
