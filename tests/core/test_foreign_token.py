"""The class of a foreign token, by its shape alone."""

from __future__ import annotations

import base64
import json

import pytest

from authd.core.foreign_token import ForeignToken, classify


def jwt(claims: dict[str, object]) -> str:
    """Return an unsigned JWT with these claims."""
    parts = ({"alg": "RS256", "kid": "k"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl"])


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (jwt({"sub": "system:serviceaccount:kube-system:coredns"}).replace(" ", ""), ForeignToken.SERVICE_ACCOUNT),
        (jwt({"iss": "https://k", "kubernetes.io": {"namespace": "x"}}), ForeignToken.SERVICE_ACCOUNT),
        (jwt({"iss": "https://accounts.example", "sub": "alice"}), ForeignToken.OIDC),
        (jwt({"text": "ÿþ" * 20_000, "iss": "x"}), ForeignToken.OIDC),
        ("eyJ.éééé.x", ForeignToken.OTHER),
        ("eyJ.only-two", ForeignToken.OTHER),
        ("eyJ.a.b.c", ForeignToken.OTHER),
        ("bootstrap.0123456789abcdef", ForeignToken.OTHER),
        ("", ForeignToken.OTHER),
    ],
)
def test_each_shape(token: str, expected: ForeignToken) -> None:
    """Every text has a class, and none raises an exception."""
    assert classify(token) is expected
