"""Files that are used only if no other user could have written them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from authd.state.trusted_file import Untrusted, read_trusted

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    path = folder / "file"
    path.write_bytes(b"content")
    path.chmod(0o600)
    os.utime(path, (5, 1000))
    return path


def test_a_private_file(path: Path) -> None:
    """A file of the process's user is read, with its time. Others may have read permission."""
    assert read_trusted(path) == (b"content", 1000.0)
    path.chmod(0o644)
    assert read_trusted(path) == (b"content", 1000.0)


def test_a_missing_file(path: Path) -> None:
    """A missing file or folder raises `FileNotFoundError`."""
    path.unlink()
    for missing in (path, path.parent / "no" / "file"):
        with pytest.raises(FileNotFoundError):
            read_trusted(missing)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
@pytest.mark.parametrize("which", ["file", "folder"])
def test_others_may_write(path: Path, mode: int, which: str) -> None:
    """A file or folder that others may write is not used, and the message has the command to run."""
    place = path if which == "file" else path.parent
    place.chmod(mode | 0o100)
    with pytest.raises(Untrusted, match=f"run `chmod go-w {place}`"):
        read_trusted(path)


def test_no_links_and_no_pipes(path: Path) -> None:
    """A symbolic link is not followed, and a pipe does not block."""
    link, pipe = path.parent / "link", path.parent / "pipe"
    link.symlink_to(path)
    os.mkfifo(pipe, 0o600)
    with pytest.raises(OSError, match="symbolic link"):
        read_trusted(link)
    with pytest.raises(Untrusted, match="is not a regular file"):
        read_trusted(pipe)


@needs_root
def test_owners(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of root and of this user are trusted. Root also trusts those of the folder's owner, as it writes them."""
    os.chown(path, 1234, -1)
    with pytest.raises(Untrusted, match=r"belongs to uid 1234, but this process runs as uid 0"):
        read_trusted(path)
    os.chown(path.parent, 1234, -1)
    assert read_trusted(path)[0] == b"content"
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    assert read_trusted(path)[0] == b"content"
    os.chown(path, 0, -1)
    assert read_trusted(path)[0] == b"content"
    monkeypatch.setattr(os, "geteuid", lambda: 99)
    with pytest.raises(Untrusted, match="belongs to uid 1234, but this process runs as uid 99"):
        read_trusted(path)
