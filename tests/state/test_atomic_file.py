"""Reading and replacing regular files alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from authd.state.atomic_file import NotRegularError, read_regular, write_atomically


def test_a_directory_costs_no_descriptor(tmp_path: Path) -> None:
    """The daemon may find a directory at each check of a file, so no descriptor may stay open."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(IsADirectoryError):
            read_regular(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_pipe_is_no_regular_file(tmp_path: Path) -> None:
    """A pipe without a writer is refused at once."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotRegularError, match="not a regular file"):
        read_regular(tmp_path / "pipe")


def test_the_limit(tmp_path: Path) -> None:
    """Only as many bytes as the limit are read."""
    (tmp_path / "file").write_bytes(b"content")
    assert read_regular(tmp_path / "file", 3) == b"con"
    assert read_regular(tmp_path / "file") == b"content"


@pytest.mark.parametrize("content", [b"", b"x"])
def test_a_pipe_is_never_replaced(tmp_path: Path, content: bytes) -> None:
    """Writing refuses pipes, and so devices such as /dev/null, and leaves nothing beside them."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotRegularError) as refused:
        write_atomically(tmp_path / "pipe", content)
    assert refused.value.strerror == "it is not a regular file"
    assert [(path.name, path.is_fifo()) for path in tmp_path.iterdir()] == [("pipe", True)]


def test_a_link_is_replaced(tmp_path: Path) -> None:
    """Writing replaces a symbolic link itself, also one to a pipe."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    write_atomically(tmp_path / "link", b"x")
    assert ((tmp_path / "link").is_symlink(), (tmp_path / "pipe").is_fifo()) == (False, True)
