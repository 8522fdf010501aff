"""Atomic writes, and the certificates of the state directory."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from authd.core.errors import ConfigError
from authd.state.atomic_file import read_regular, write_atomically
from authd.state.certificate_store import StateFiles
from authd.state.x509 import AUTHORITY_LIFETIME, new_ca, new_leaf

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOSTS = ("localhost", "127.0.0.1", "::1")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_private_by_default(tmp_path: Path) -> None:
    """A new file is readable by its owner alone, whatever the umask. Another mode may be given."""
    old = os.umask(0)
    try:
        write_atomically(tmp_path / "secret", b"a")
        write_atomically(tmp_path / "public", b"b", mode=0o644)
    finally:
        os.umask(old)
    assert (mode(tmp_path / "secret"), mode(tmp_path / "public")) == (0o600, 0o644)


def test_a_write_replaces_the_file_in_one_step(tmp_path: Path) -> None:
    """An open reader keeps the old content. The name leads to the new one."""
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with path.open("rb") as opened:
        write_atomically(path, b"new")
        assert opened.read() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_the_folder_is_synced_after_the_new_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is synced after the rename. If the sync fails, the file stays."""
    synced: list[bool] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        real(descriptor)
        if synced[-1]:
            assert (tmp_path / "file").read_bytes() == b"new"
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomically(tmp_path / "file", b"new")
    assert synced == [False, True]


@pytest.mark.parametrize("step", ["fsync", "replace", "fchmod"])
def test_a_write_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """If any step of writing fails, the old file stays and no temporary file is left."""
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_pair_is_made_once(tmp_path: Path) -> None:
    """Missing certificates are created, with private keys, and never replaced."""
    files = StateFiles(folder=tmp_path / "deep" / "state")
    files.ensure_pair(HOSTS, NOW)
    names = {path.name: mode(path) for path in files.folder.iterdir()}
    public, private = dict.fromkeys(["ca.pem", "cert.pem"], 0o644), ["ca-key.pem", "key.pem", "last-good.pem"]
    assert names == public | dict.fromkeys(private, 0o600)
    assert mode(files.folder) == 0o700
    before = {path.name: path.read_bytes() for path in files.folder.iterdir()}
    files.ensure_pair(("other.example",), NOW)
    assert {path.name: path.read_bytes() for path in files.folder.iterdir()} == before
    assert files.trusted_pem() == files.authority.read_bytes()


def test_a_missing_leaf_is_signed_again(tmp_path: Path) -> None:
    """A missing leaf is signed by the existing CA."""
    files = StateFiles(folder=tmp_path)
    files.ensure_pair(HOSTS, NOW)
    authority, old = files.authority.read_bytes(), files.certificate.read_bytes()
    files.certificate.unlink()
    files.ensure_pair(HOSTS, NOW)
    assert files.authority.read_bytes() == authority
    assert files.certificate.read_bytes() != old


def test_a_foreign_certificate_is_trusted_itself(tmp_path: Path) -> None:
    """Without a local CA, clients trust the certificate itself."""
    files = StateFiles(folder=tmp_path)
    files.certificate.write_bytes(b"theirs")
    files.key.write_bytes(b"theirs")
    files.ensure_pair(HOSTS, NOW)
    assert files.trusted_pem() == b"theirs"
    assert {path.name for path in tmp_path.iterdir()} == {"cert.pem", "key.pem"}
    with pytest.raises(ConfigError, match=r"the CA .* can't be read: No such file"):
        files.client_leaf(NOW)


def test_an_unusable_directory_is_reported(tmp_path: Path) -> None:
    """The error for an unusable state directory names it."""
    (tmp_path / "file").write_text("")
    files = StateFiles(folder=tmp_path / "file" / "state")
    with pytest.raises(ConfigError, match="certificates can't be made here: Not a directory") as caught:
        files.ensure_pair(HOSTS, NOW)
    assert caught.value.problems[0].file == str(files.folder)


def test_half_of_a_foreign_pair_is_never_replaced(tmp_path: Path) -> None:
    """If the key of a certificate or CA is missing, no new one is created."""
    for there, missing in (("cert.pem", "key.pem"), ("key.pem", "cert.pem"), ("ca.pem", "ca-key.pem")):
        files = StateFiles(folder=tmp_path / there)
        files.ensure_pair(HOSTS, NOW)
        for path in files.folder.iterdir():
            if path.name != there:
                path.unlink()
        before = (files.folder / there).read_bytes()
        with pytest.raises(ConfigError, match=f"there is {there}, but not its counterpart") as caught:
            files.ensure_pair(HOSTS, NOW)
        assert missing in str(caught.value)
        assert (files.folder / there).read_bytes() == before
        assert [path.name for path in files.folder.iterdir()] == [there]


def test_an_incomplete_ca_is_created_again(tmp_path: Path) -> None:
    """If the first start ended between the CA's key and certificate, a new CA is created: nobody trusts it yet."""
    files = StateFiles(folder=tmp_path)
    files.authority_key.write_bytes(new_ca("authd", NOW).key_pem)
    files.ensure_pair(HOSTS, NOW)
    files.issue_leaf(files.read_authority(), HOSTS, NOW)


def test_a_mismatched_ca_key_signs_nothing(tmp_path: Path) -> None:
    """A CA whose key does not match would sign certificates that no client trusts, so the pair stays."""
    files = StateFiles(folder=tmp_path)
    files.ensure_pair(HOSTS, NOW)
    before = files.read_pair()
    files.authority_key.write_bytes(new_ca("authd", NOW).key_pem)
    with pytest.raises(ValueError, match="do not match"):
        files.issue_leaf(files.read_authority(), HOSTS, NOW)
    with pytest.raises(ConfigError, match="do not match"):
        files.client_leaf(NOW)
    assert files.read_pair() == before


def test_the_last_good_pair_is_one_file(tmp_path: Path) -> None:
    """A saved pair is read byte for byte. An unchanged one is not written again, and a broken one is an error."""
    files = StateFiles(folder=tmp_path)
    files.ensure_pair(HOSTS, NOW)
    assert files.read_last_pair() == files.read_pair()
    inode = files.last_pair.stat().st_ino
    files.keep_pair(files.read_pair())
    assert files.last_pair.stat().st_ino == inode
    files.last_pair.write_bytes(files.read_pair().certificate_pem)
    with pytest.raises(ValueError, match="broken"):
        files.read_last_pair()


def test_the_kubeconfig_trusts_the_served_certificate(tmp_path: Path) -> None:
    """If another CA signed the certificate, it is trusted itself. If it is broken, the last good one is used."""
    files = StateFiles(folder=tmp_path)
    files.ensure_pair(HOSTS, NOW)
    authority, own = files.authority.read_bytes(), files.read_pair()
    theirs = new_ca("theirs", NOW)
    files.put_pair(theirs)
    assert files.trusted_pem() == theirs.certificate_pem
    files.certificate.write_text("nonsense")
    assert files.trusted_pem() == authority
    files.keep_pair(theirs)
    assert files.trusted_pem() == theirs.certificate_pem
    files.put_pair(own)
    assert files.trusted_pem() == authority
    files.authority.write_bytes(theirs.certificate_pem + authority)  # during a rotation
    assert files.trusted_pem() == theirs.certificate_pem + authority
    files.authority.write_bytes(b"")
    assert files.trusted_pem() == own.certificate_pem


def test_a_ca_with_wrong_dates_is_signed_again(tmp_path: Path) -> None:
    """A CA certificate from a wrong clock becomes valid now, and all its clients still trust its leaves."""
    for made in (NOW + timedelta(days=900), NOW - timedelta(days=4_000)):
        files = StateFiles(folder=tmp_path / str(made.year))
        files.ensure_pair(HOSTS, made)
        old = x509.load_pem_x509_certificate(files.authority.read_bytes())
        assert files.repair_ca(NOW)
        new = x509.load_pem_x509_certificate(files.authority.read_bytes())
        assert new.not_valid_before_utc <= min(NOW, old.not_valid_before_utc)
        assert new.not_valid_after_utc >= max(NOW + AUTHORITY_LIFETIME, old.not_valid_after_utc)
        assert (new.subject, new.public_key()) == (old.subject, old.public_key())
        files.issue_leaf(files.read_authority(), HOSTS, NOW)
        leaf = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        leaf.verify_directly_issued_by(old)
        leaf.verify_directly_issued_by(new)
        assert not files.repair_ca(NOW)


def test_valid_and_foreign_certificates_are_left_alone(tmp_path: Path) -> None:
    """A certificate that is valid, can't be signed here, or is signed by another CA stays byte for byte."""
    files = StateFiles(folder=tmp_path)
    assert not files.repair_ca(NOW)
    files.ensure_pair(HOSTS, NOW)
    before = files.authority.read_bytes()
    assert not files.repair_ca(NOW)
    late = NOW + timedelta(days=4_000)
    intermediate = new_leaf(files.read_authority(), HOSTS, NOW)
    files.authority.write_bytes(intermediate.certificate_pem)
    assert not files.repair_ca(late)
    files.authority.write_bytes(before)
    files.authority_key.unlink()
    assert not files.repair_ca(late)
    assert files.authority.read_bytes() == before


def test_old_temporary_files_are_removed(tmp_path: Path) -> None:
    """Old temporary files of authd, which may contain keys, are removed. New ones and other files are not."""
    files = StateFiles(folder=tmp_path)
    names = (".key.pem.abcd_123", ".last-good.yaml.zzzzzzzz", ".cert.pem.new", ".bashrc", "key.pem", ".ca.pem.young_12")
    for name in names:
        (tmp_path / name).write_text("")
        if "young" not in name:
            os.utime(tmp_path / name, (0, 0))
    files.sweep()
    assert {path.name for path in tmp_path.iterdir()} == {".cert.pem.new", ".bashrc", "key.pem", ".ca.pem.young_12"}
    StateFiles(folder=tmp_path / "nowhere").sweep()


@pytest.mark.parametrize("name", ["cert.pem", "key.pem", "ca.pem", "ca-key.pem", "last-good.pem"])
def test_a_fifo_is_refused_at_once(tmp_path: Path, name: str) -> None:
    """A named pipe is an error, and does not block the daemon."""
    files = StateFiles(folder=tmp_path)
    files.ensure_pair(HOSTS, NOW)
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(OSError, match="not a regular file"):
        read_regular(tmp_path / name)
    reads = {
        "cert.pem": files.read_pair,
        "key.pem": files.read_pair,
        "ca.pem": files.read_authority,
        "ca-key.pem": files.read_authority,
        "last-good.pem": files.read_last_pair,
    }
    with pytest.raises((OSError, ConfigError), match="not a regular file"):
        reads[name]()


@pytest.mark.parametrize("name", ["key.pem", "ca-key.pem", "last-good.pem"])
@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o644])
def test_a_key_that_others_can_read_is_reported(tmp_path: Path, name: str, bits: int) -> None:
    """The message names a key that other users can read, its mode, and the command to run."""
    files = StateFiles(folder=tmp_path)
    files.ensure_pair(HOSTS, NOW)
    assert files.exposed_keys() == ""
    (tmp_path / name).chmod(bits)
    message = files.exposed_keys()
    assert f"{name} (mode {bits:04o})" in message
    assert f"chmod 600 {name}" in message
