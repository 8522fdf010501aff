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
def test_compact_documents(version: str, interactive: bool, end: bytes) -> None:
    """Kubectl's documents give the same result if they are looked up as if they are parsed."""
    info = parse_exec_info(_info(version, interactive=interactive) + end)
    parsed = parse_exec_info(b" " + _info(version, interactive=interactive))
    assert _fields(info) == _fields(parsed)
    assert (info.api_version, info.interactive, info.problem) == (version, interactive, None)


def test_cluster_extension() -> None:
    """The exec extension of a cluster has its cluster ID and a role."""
    cluster = {"server": "https://x", "config": {"clusterID": "prod", "roleARN": "arn:aws:iam::1:role/x", "z": [1]}}
    info = parse_exec_info(_info(V1, interactive=True, cluster=cluster))
    assert (info.cluster_id, info.role_arn, info.interactive, info.problem) == (
        "prod", "arn:aws:iam::1:role/x", True, None
    )  # fmt: skip


def test_client_go() -> None:
    """client-go is recognised by the compact form and the order of members."""
    cluster = {"server": "https://x", "config": {"clusterID": "prod"}}
    for document in (_info(), _info(interactive=True) + b"\n", _info(V1BETA1, cluster=cluster)):
        assert parse_exec_info(document).client_go
    spread = json.dumps({"kind": "ExecCredential", "apiVersion": V1, "spec": {"interactive": False}}).encode()
    reordered = json.dumps({"apiVersion": V1, "kind": "ExecCredential", "spec": {}}, separators=(",", ":")).encode()
    for raw in (None, spread, reordered, b" " + _info()):
        assert not parse_exec_info(raw).client_go


@pytest.mark.parametrize("raw", [None, b""])
def test_no_exec_info(raw: bytes | None) -> None:
    """Without ExecInfo, or with an empty one, the version is v1beta1, and there is no problem."""
    info = parse_exec_info(raw)
    assert (info.api_version, info.present, info.problem) == (V1BETA1, False, None)


@pytest.mark.parametrize(
    "raw",
    [
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
def test_malformed_or_unknown(raw: bytes) -> None:
    """A malformed or unknown ExecInfo gives a problem and v1beta1, and is not interactive."""
    info = parse_exec_info(raw)
    assert info.problem is not None
    assert (info.api_version, info.interactive) == (V1BETA1, False)


@pytest.mark.parametrize(
    "raw",
    [
        " ", "{", "[]", "null", "{'a': 1}", '{"a": "\x01"}', "[" * 100_000, '{"a": ' + "9" * 5000 + "}", "x\udcff",
        '{"kind":"Pod"}', _info("client.authentication.k8s.io/v2").decode(),
        _info(V1, cluster={"config": {"clusterID": "\ud800"}}).decode(),
        _info(V1, cluster={"config": {"roleARN": "\ud800"}}).decode(),
    ],
)  # fmt: skip
def test_command_with_malformed_exec_info(authd_token: Callable, keys: dict[str, str], raw: str) -> None:
    """The command, which runs without the json package, prints a v1beta1 credential and a warning."""
    result = authd_token("-i", "prod", KUBERNETES_EXEC_INFO=raw)
    assert result.status == 0, result.err
    assert json.loads(result.out)["apiVersion"] == V1BETA1
    (warning,) = result.err.splitlines()
    assert warning.startswith("authd-token: warning: KUBERNETES_EXEC_INFO ")


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["kind", "apiVersion", "spec", "cluster", "config", "clusterID", "interactive"]) | st.text(),
        inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_any_document(document: object) -> None:
    """Any JSON gives an ExecInfo of a known version."""
    assert parse_exec_info(json.dumps(document).encode()).api_version in (V1, V1BETA1, V1ALPHA1)


def test_render_exec_credential() -> None:
    """The credential is valid JSON of the requested version with token and expiration."""
    assert json.loads(render_exec_credential(V1, "k8s-aws-v1.x", "2026-01-01T00:00:00Z")) == {
        "kind": "ExecCredential",
        "apiVersion": V1,
        "spec": {},
        "status": {"expirationTimestamp": "2026-01-01T00:00:00Z", "token": "k8s-aws-v1.x"},
    }
