"""The webhook kubeconfig: its content, and when it is written."""

from __future__ import annotations

import base64
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from twisted.logger import capturedLogs, formatEvent

from authd.config.settings import Settings
from authd.core.errors import ConfigError
from authd.daemon.certificates.webhook_kubeconfig import WebhookKubeconfig
from authd.state.certificate_store import StateFiles
from authd.state.kubeconfig import client_entries, ensure_kubeconfig, webhook_kubeconfig
from authd.state.x509 import CertifiedKey, new_ca, new_client_leaf

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def parsed(content: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the cluster and the user of the current context."""
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
def test_url_and_ca(host: str, server: str) -> None:
    """The kubeconfig has the webhook's URL and the CA."""
    cluster, user = parsed(webhook_kubeconfig(host=host, port=21362, authority_pem=b"-----CA-----"))
    assert cluster["server"] == server
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"-----CA-----"
    assert user == {}


def test_client_certificate() -> None:
    """For mutual TLS the kubeconfig contains the client's certificate and key."""
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


def ensured(path: Path, files: StateFiles, port: int, now: datetime, *, mutual_tls: bool = False) -> bool:
    return ensure_kubeconfig(path, files, host="localhost", port=port, now=now, mutual_tls=mutual_tls)


def test_it_is_written_once(tmp_path: Path, files: StateFiles) -> None:
    """A missing or different kubeconfig is written, private and in new folders. Then it stays unchanged."""
    path = tmp_path / "deep" / "er" / "kubeconfig.yaml"
    assert ensured(path, files, 21362, NOW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    cluster, _ = parsed(path.read_bytes())
    assert base64.b64decode(cluster["certificate-authority-data"]) == files.authority.read_bytes()
    inode = path.stat().st_ino
    assert not ensured(path, files, 21362, NOW)
    assert path.stat().st_ino == inode
    assert ensured(path, files, 21363, NOW)


def test_an_unwritable_path_is_reported(tmp_path: Path, files: StateFiles) -> None:
    """If it can't be written, the error names the file and the next step."""
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "kubeconfig.yaml"
    with pytest.raises(ConfigError, match=r"can't be written: .*; run `authd init`") as caught:
        ensured(path, files, 21362, NOW)
    assert caught.value.problems[0].file == str(path)


def user_of(path: Path) -> dict[str, str]:
    user: dict[str, str] = parsed(path.read_bytes())[1]
    return user


def write_with(path: Path, user: dict[str, str]) -> None:
    """Write an earlier kubeconfig, with this user and another port."""
    path.write_bytes(webhook_kubeconfig(host="localhost", port=1, authority_pem=b"ca", user=user))


def stranger(now: datetime = NOW) -> CertifiedKey:
    """Return a client certificate of another CA."""
    return new_client_leaf(new_ca("x", now), "kube-apiserver", now)


def test_a_client_certificate_stays_without_mutual_tls(tmp_path: Path, files: StateFiles) -> None:
    """A client certificate of `authd init --mutual-tls` or of another CA is kept when the rest changes."""
    path = tmp_path / "kubeconfig.yaml"
    for client in (files.client_leaf(NOW), stranger()):
        write_with(path, client_entries(client))
        assert ensured(path, files, 21362, NOW)
        assert user_of(path) == client_entries(client)
        assert parsed(path.read_bytes())[0]["server"].endswith(":21362/authenticate")
        assert not ensured(path, files, 21362, NOW)


def test_existing_client_certificate_files_stay(tmp_path: Path, files: StateFiles) -> None:
    """A kubeconfig keeps absolute and relative paths of existing files. Missing files are not kept."""
    path = tmp_path / "kubeconfig.yaml"
    client = files.client_leaf(NOW)
    (tmp_path / "client.pem").write_bytes(client.certificate_pem)
    (tmp_path / "client.key").write_bytes(client.key_pem)
    named = {"client-certificate": "client.pem", "client-key": str(tmp_path / "client.key")}
    for mutual in (False, True):
        write_with(path, named)
        ensured(path, files, 21362, NOW, mutual_tls=mutual)
        assert user_of(path) == named
    (tmp_path / "client.key").unlink()
    ensured(path, files, 21362, NOW)
    assert user_of(path) == {}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "users: []",
        "users: 1",
        "users: [{user: {client-certificate-data: '*'}}]",
        "# client-\n[",
        "\0client-",
        "client-: " + "[" * 10_000 + "]" * 10_000,
    ],
    ids=str,
)
def test_a_broken_kubeconfig_is_replaced(tmp_path: Path, files: StateFiles, content: str) -> None:
    """A kubeconfig that is broken or has no certificate is replaced entirely."""
    path = tmp_path / "kubeconfig.yaml"
    path.write_text(content)
    assert ensured(path, files, 21362, NOW)
    assert user_of(path) == {}


def test_a_valid_client_certificate_stays(tmp_path: Path, files: StateFiles) -> None:
    """If mutual TLS is required, a valid client certificate stays, since kube-apiserver has read it."""
    path = tmp_path / "kubeconfig.yaml"
    ensured(path, files, 21362, NOW, mutual_tls=True)
    user = user_of(path)
    assert ensured(path, files, 21363, NOW, mutual_tls=True)
    assert user_of(path) == user
    assert not ensured(path, files, 21363, NOW + timedelta(days=3_000), mutual_tls=True)


@pytest.mark.parametrize("what", ["none", "another authority's", "not valid yet", "ended"])
def test_a_refused_client_certificate_is_replaced(tmp_path: Path, files: StateFiles, what: str) -> None:
    """If mutual TLS is required and the certificate would be refused, a new one is signed."""
    path = tmp_path / "kubeconfig.yaml"
    users = {
        "none": {},
        "another authority's": client_entries(stranger()),
        "not valid yet": client_entries(files.client_leaf(NOW + timedelta(days=9))),
        "ended": client_entries(files.client_leaf(NOW)),
    }
    now = NOW + timedelta(days=3_700) if what == "ended" else NOW
    if what == "ended":
        files.repair_ca(now)
    write_with(path, users[what])
    assert ensured(path, files, 21362, now, mutual_tls=True)
    certificate = x509.load_pem_x509_certificate(base64.b64decode(user_of(path)["client-certificate-data"]))
    assert certificate.not_valid_before_utc < now < certificate.not_valid_after_utc
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(files.authority.read_bytes()))


def keeper(settings: Settings, files: StateFiles) -> WebhookKubeconfig:
    return WebhookKubeconfig(settings, files, 21362, trusted=files.trusted_pem, served=bytes, now=lambda: NOW)


def test_the_kubeconfig_follows_the_serving_certificate(tmp_path: Path, files: StateFiles) -> None:
    """A new CA or a manual edit is corrected while the daemon runs. Problems are logged."""
    path = tmp_path / "kubeconfig.yaml"
    trusted = [b"ca of before"]
    kept = WebhookKubeconfig(settings(path), files, 21362, trusted=lambda: trusted[-1], served=bytes, now=lambda: NOW)
    kept.write()
    trusted.append(b"another")
    kept.check()
    assert base64.b64decode(parsed(path.read_bytes())[0]["certificate-authority-data"]) == b"another"
    path.unlink()
    path.mkdir()
    with capturedLogs() as events:
        kept.check()
        kept.check()
    assert [event["log_level"].name for event in events] == ["error"]
    assert "can't be written: Is a directory" in kept.problem()
    path.rmdir()
    kept.check()
    assert kept.problem() == ""
    assert path.is_file()


def fail(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let every write fail."""

    def failing(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", failing)


def test_a_full_disk_does_not_prevent_the_start(
    tmp_path: Path, files: StateFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If an existing kubeconfig can't be renewed, this is logged and retried until it works."""
    path = tmp_path / "kubeconfig.yaml"
    path.write_text("of before")
    kept = keeper(settings(path), files)
    with capturedLogs() as events, monkeypatch.context() as full:
        fail(full, 28)
        kept.write()
        kept.check()
        assert "No space left on device" in kept.problem()
    assert [event["log_level"].name for event in events] == ["error"]
    with capturedLogs() as events:
        kept.check()
    assert kept.problem() == ""
    assert ["restart kube-apiserver" in formatEvent(event) for event in events] == [True]
    assert parsed(path.read_bytes())[0]["server"].endswith(":21362/authenticate")
    with capturedLogs() as events:
        kept.check()
        kept.write()
    assert not events


@pytest.mark.parametrize(("number", "there"), [(28, False), (30, False), (13, True)])
def test_a_permanent_error_ends_the_start(
    tmp_path: Path,
    files: StateFiles,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    there: bool,
) -> None:
    """If there is no kubeconfig yet, or no permission to replace it, the daemon does not start."""
    path = tmp_path / "kubeconfig.yaml"
    if there:
        path.write_text("of before")
    fail(monkeypatch, number)
    with pytest.raises(ConfigError, match="can't be written"):
        keeper(settings(path), files).write()


def test_a_pregenerated_kubeconfig_is_only_checked(tmp_path: Path, files: StateFiles) -> None:
    """A pregenerated kubeconfig is never written. Another CA in it is logged once, until the file is replaced."""
    path = tmp_path / "k"
    pregenerated = Settings(cluster_id="c", generate_kubeconfig=str(path), kubeconfig_pregenerated=True)
    kept = WebhookKubeconfig(
        pregenerated, files, 21362, trusted=files.trusted_pem, served=files.certificate.read_bytes, now=lambda: NOW
    )
    kept.write()
    assert kept.problem() == ""
    assert "not compared with the certificate in force (No such file or directory)" in kept.detail()
    assert not path.exists()
    foreign = new_ca("another", NOW).certificate_pem
    path.write_bytes(webhook_kubeconfig(host="localhost", port=21362, authority_pem=foreign))
    with capturedLogs() as events:
        kept.check()
        kept.check()
    assert [event["log_level"].name for event in events] == ["error"]
    assert "trusts another CA" in kept.problem()
    assert "restart kube-apiserver" in kept.problem()
    assert path.read_bytes() == webhook_kubeconfig(host="localhost", port=21362, authority_pem=foreign)
    path.write_bytes(webhook_kubeconfig(host="localhost", port=21362, authority_pem=files.trusted_pem()))
    kept.check()
    assert (kept.problem(), kept.detail()) == ("", "")
