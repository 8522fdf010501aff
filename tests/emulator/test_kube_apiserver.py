"""The bytes of a TokenReview by kube-apiserver."""

from __future__ import annotations

import json

import pytest

from authd.core.token_review import decode_review
from authd.emulator.kube_apiserver import token_review


def test_the_form_up_to_kubernetes_1_33() -> None:
    """The time in the metadata is null, and a newline ends the body."""
    assert token_review("k8s-aws-v1.x") == (
        b'{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","metadata":{"creationTimestamp":null},'
        b'"spec":{"token":"k8s-aws-v1.x"},"status":{"user":{}}}\n'
    )


def test_the_newer_form() -> None:
    """The zero time is omitted, and audiences follow the token."""
    assert token_review("t", version="v1beta1", audiences=["a", "https://b"], null_time=False) == (
        b'{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1beta1","metadata":{},'
        b'"spec":{"token":"t","audiences":["a","https://b"]},"status":{"user":{}}}\n'
    )


@pytest.mark.parametrize("token", ["<&>", "\u2028\u2029", 'a"b\\c', "\n\t\x00", "é世", "k8s-aws-v1.a_b-c"])
def test_gos_escapes_have_the_same_meaning(token: str) -> None:
    """Go escapes more characters than JSON requires, and the daemon reads the same token."""
    body = token_review(token)
    assert json.loads(body)["spec"]["token"] == decode_review(body).token == token
    assert not any(each in body for each in (b"<", b">", b"&", "\u2028".encode()))
