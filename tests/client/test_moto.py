"""Roles assumed at moto, an STS that is independent of the emulator."""

from __future__ import annotations

from collections.abc import Callable

from tests.client.rig.samples import ROLE


def test_role(authd_token: Callable, keys: dict[str, str], moto: str) -> None:
    """The AssumeRole call succeeds at moto, and its credentials sign the token."""
    result = authd_token("-i", "prod", "-r", ROLE, "-s", "me", "--duration", "15m", AWS_ENDPOINT_URL_STS=moto)
    assert result.status == 0, result.err
    assert result.key_id.startswith("ASIA")
    assert "X-Amz-Security-Token" in result.query
    assert result.host == "sts.eu-west-1.amazonaws.com"


def test_why(authd_token: Callable, keys: dict[str, str], moto: str) -> None:
    """--why reports the identity from moto's response."""
    result = authd_token("-i", "prod", "-r", ROLE, "-s", "me", "--why", AWS_ENDPOINT_URL_STS=moto)
    assert "assumed-role/KubernetesAdmin/me" in result.out, result.err
