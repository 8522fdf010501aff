"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from authd.core.errors import ConfigError
from authd.daemon.state_files import StateFiles, write_whole

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOSTS = ("localhost", "127.0.0.1", "::1")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_private_unless_said_otherwise(tmp_path: Path) -> None:
    """A new file is its owner's alone, whatever the umask; a mode may be given."""
    old = os.umask(0)
    try:
        write_whole(tmp_path / "secret", b"a")
        write_whole(tmp_path / "public", b"b", mode=0o644)
    finally:
        os.umask(old)
    assert (mode(tmp_path / "secret"), mode(tmp_path / "public")) == (0o600, 0o644)


def test_a_write_replaces_the_file_in_one_step(tmp_path: Path) -> None:
    """Who has the old file open goes on reading it; the name leads to the new one."""
    path = tmp_path / "file"
    write_whole(path, b"old")
    with path.open("rb") as opened:
        write_whole(path, b"new")
        assert opened.read() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace", "fchmod"])
def test_a_write_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Where any step of writing fails, the old file stays as it was and nothing else is left."""
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_pair_is_made_once(tmp_path: Path) -> None:
    """Certificates are made where there are none, with private keys, and never made again."""
    files = StateFiles(folder=tmp_path / "deep" / "state")
    files.ensure_pair(HOSTS, NOW)
    names = {path.name: mode(path) for path in files.folder.iterdir()}
    assert names == {"ca.pem": 0o644, "cert.pem": 0o644, "ca-key.pem": 0o600, "key.pem": 0o600}
    assert mode(files.folder) == 0o700
    before = {path.name: path.read_bytes() for path in files.folder.iterdir()}
    files.ensure_pair(("other.example",), NOW)
    assert {path.name: path.read_bytes() for path in files.folder.iterdir()} == before
    assert files.trusted == files.authority


def test_the_authority_outlives_its_leaf(tmp_path: Path) -> None:
    """A missing leaf is signed anew by the same authority."""
    files = StateFiles(folder=tmp_path)
    files.ensure_pair(HOSTS, NOW)
    authority, old = files.authority.read_bytes(), files.certificate.read_bytes()
    files.certificate.unlink()
    files.ensure_pair(HOSTS, NOW)
    assert files.authority.read_bytes() == authority
    assert files.certificate.read_bytes() != old


def test_somebody_elses_pair_is_trusted_itself(tmp_path: Path) -> None:
    """Where there is no authority of our own, the certificate itself is what clients trust."""
    files = StateFiles(folder=tmp_path)
    files.certificate.write_bytes(b"theirs")
    files.key.write_bytes(b"theirs")
    files.ensure_pair(HOSTS, NOW)
    assert files.trusted == files.certificate
    assert {path.name for path in tmp_path.iterdir()} == {"cert.pem", "key.pem"}
    with pytest.raises(ConfigError, match=r"the authority .* can't be read: No such file"):
        files.client_leaf(NOW)


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """An unusable state directory is an error that names it."""
    (tmp_path / "file").write_text("")
    files = StateFiles(folder=tmp_path / "file" / "state")
    with pytest.raises(ConfigError, match="certificates can't be made here: Not a directory") as caught:
        files.ensure_pair(HOSTS, NOW)
    assert caught.value.problems[0].file == str(files.folder)
