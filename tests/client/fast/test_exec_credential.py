from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.client.fast.exec_credential import V1, V1ALPHA1, V1BETA1, ExecInfo, parse_exec_info, render_exec_credential


def _info(version: str = V1, **spec: object) -> bytes:
    return json.dumps({"kind": "ExecCredential", "apiVersion": version, "spec": spec}, separators=(",", ":")).encode()


def _fields(info: ExecInfo) -> dict[str, object]:
    return {name: getattr(info, name) for name in ExecInfo.__slots__ if name != "client_go"}


@pytest.mark.parametrize("version", [V1, V1BETA1])
@pytest.mark.parametrize("interactive", [True, False])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_usual_documents_are_recognised_without_parsing(version: str, interactive: bool, end: bytes) -> None:
    """What kubectl writes gives the same whether it is recognised as a whole or parsed."""
    info = parse_exec_info(_info(version, interactive=interactive) + end)
    parsed = parse_exec_info(b" " + _info(version, interactive=interactive))
    assert _fields(info) == _fields(parsed)
    assert (info.api_version, info.interactive, info.problem) == (version, interactive, None)


def test_cluster_extension_is_read() -> None:
    """The exec extension of a cluster gives its id and a role."""
    cluster = {"server": "https://x", "config": {"clusterID": "prod", "roleARN": "arn:aws:iam::1:role/x", "z": [1]}}
    info = parse_exec_info(_info(V1, interactive=True, cluster=cluster))
    assert (info.cluster_id, info.role_arn, info.interactive, info.problem) == (
        "prod", "arn:aws:iam::1:role/x", True, None
    )  # fmt: skip


def test_client_go_is_recognised() -> None:
    """Only the compact form in client-go's order is client-go's."""
    cluster = {"server": "https://x", "config": {"clusterID": "prod"}}
    for document in (_info(), _info(interactive=True) + b"\n", _info(V1BETA1, cluster=cluster)):
        assert parse_exec_info(document).client_go
    spread = json.dumps({"kind": "ExecCredential", "apiVersion": V1, "spec": {"interactive": False}}).encode()
    reordered = json.dumps({"apiVersion": V1, "kind": "ExecCredential", "spec": {}}, separators=(",", ":")).encode()
    for raw in (None, spread, reordered, b" " + _info()):
        assert not parse_exec_info(raw).client_go


def test_nothing_asked_is_no_complaint() -> None:
    """Without ExecInfo the answer is v1beta1 and nobody complains."""
    info = parse_exec_info(None)
    assert (info.api_version, info.present, info.problem) == (V1BETA1, False, None)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{}{}",
        b"[1]",
        b"null",
        b"\xff",
        b'"x"',
        b"[" * 100_000,
        b'{"kind":"Pod"}',
        b'{"kind":"ExecCredential"}',
        b'{"kind":"ExecCredential","apiVersion":["x"]}',
        _info("client.authentication.k8s.io/v2"),
    ],
)
def test_malformed_or_unknown_gets_a_complaint_and_v1beta1(raw: bytes) -> None:
    """Malformed or unknown ExecInfo gets a word and v1beta1, and nobody is asked anything."""
    info = parse_exec_info(raw)
    assert info.problem is not None
    assert (info.api_version, info.interactive) == (V1BETA1, False)


@pytest.mark.parametrize(
    "raw",
    [
        "", " ", "{", "[]", "null", "{'a': 1}", '{"a": "\x01"}', "[" * 100_000, '{"a": ' + "9" * 5000 + "}", "x\udcff",
        '{"kind":"Pod"}', _info("client.authentication.k8s.io/v2").decode(),
        _info(V1, cluster={"config": {"clusterID": "\ud800"}}).decode(),
        _info(V1, cluster={"config": {"roleARN": "\ud800"}}).decode(),
    ],
)  # fmt: skip
def test_the_command_answers_whatever_it_is_told(authd_token: Callable, keys: dict[str, str], raw: str) -> None:
    """The command itself, bare of Python's json package, gives a v1beta1 credential and a word on stderr."""
    answer = authd_token("-i", "prod", KUBERNETES_EXEC_INFO=raw)
    assert answer.status == 0, answer.err
    assert json.loads(answer.out)["apiVersion"] == V1BETA1
    (word,) = answer.err.splitlines()
    assert word.startswith("authd-token: warning: KUBERNETES_EXEC_INFO ")


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["kind", "apiVersion", "spec", "cluster", "config", "clusterID", "interactive"]) | st.text(),
        inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_no_document_breaks_it(document: object) -> None:
    """Whatever JSON comes, the answer is an ExecInfo of a known version."""
    assert parse_exec_info(json.dumps(document).encode()).api_version in (V1, V1BETA1, V1ALPHA1)


def test_credential_is_the_document_that_client_go_reads() -> None:
    """The answer is valid JSON of the asked version with token and expiration."""
    assert json.loads(render_exec_credential(V1, "k8s-aws-v1.x", "2026-01-01T00:00:00Z")) == {
        "kind": "ExecCredential",
        "apiVersion": V1,
        "spec": {},
        "status": {"expirationTimestamp": "2026-01-01T00:00:00Z", "token": "k8s-aws-v1.x"},
    }
