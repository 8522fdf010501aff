"""The webhook kubeconfig: its content, and when it is written."""

from __future__ import annotations

import base64
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from authd.config.settings import Settings
from authd.core.errors import ConfigError
from authd.daemon.certificates import CertifiedKey
from authd.daemon.kubeconfig import webhook_kubeconfig
from authd.daemon.state_files import StateFiles
from authd.daemon.webhook_kubeconfig import ensure_kubeconfig

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def parsed(content: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the cluster and the user that the current context leads to."""
    config = yaml.safe_load(content)
    assert (config["apiVersion"], config["kind"]) == ("v1", "Config")
    by_name = {kind: {entry["name"]: entry for entry in config[kind]} for kind in ("contexts", "clusters", "users")}
    context = by_name["contexts"][config["current-context"]]["context"]
    return by_name["clusters"][context["cluster"]]["cluster"], by_name["users"][context["user"]]["user"]


@pytest.mark.parametrize(
    ("host", "server"),
    [
        ("localhost", "https://localhost:21362/authenticate"),
        ("10.0.0.1", "https://10.0.0.1:21362/authenticate"),
        ("::1", "https://[::1]:21362/authenticate"),
    ],
)
def test_it_leads_to_the_webhook_and_trusts_one_authority(host: str, server: str) -> None:
    """The kubeconfig names the webhook's URL and carries the authority itself."""
    cluster, user = parsed(webhook_kubeconfig(host=host, port=21362, authority_pem=b"-----CA-----"))
    assert cluster["server"] == server
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"-----CA-----"
    assert user == {}


def test_with_a_client_certificate_it_proves_itself() -> None:
    """For mutual TLS the kubeconfig carries the client's pair."""
    client = CertifiedKey(certificate_pem=b"cert", key_pem=b"key")
    _, user = parsed(webhook_kubeconfig(host="localhost", port=1, authority_pem=b"ca", client=client))
    assert {name: base64.b64decode(value) for name, value in user.items()} == {
        "client-certificate-data": b"cert",
        "client-key-data": b"key",
    }


@pytest.fixture
def files(tmp_path: Path) -> StateFiles:
    files = StateFiles(folder=tmp_path / "state")
    files.ensure_pair(("localhost",), NOW)
    return files


def settings(path: Path) -> Settings:
    return Settings(cluster_id="prod", generate_kubeconfig=str(path))


def test_it_is_written_once(tmp_path: Path, files: StateFiles) -> None:
    """It is written where it isn't there as it should be, private, in folders that are made; and then left alone."""
    path = tmp_path / "deep" / "er" / "kubeconfig.yaml"
    assert ensure_kubeconfig(settings(path), files, 21362)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    cluster, _ = parsed(path.read_bytes())
    assert base64.b64decode(cluster["certificate-authority-data"]) == files.authority.read_bytes()
    inode = path.stat().st_ino
    assert not ensure_kubeconfig(settings(path), files, 21362)
    assert path.stat().st_ino == inode
    assert ensure_kubeconfig(settings(path), files, 21363)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, files: StateFiles) -> None:
    """Where it can't be written, the error names the file and what to do."""
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "kubeconfig.yaml"
    with pytest.raises(ConfigError, match=r"can't be written: .*; run `authd init`") as caught:
        ensure_kubeconfig(settings(path), files, 21362)
    assert caught.value.problems[0].file == str(path)
