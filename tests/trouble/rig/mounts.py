"""Small disks that can be filled or made read-only. Only root can mount them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

#: Enough for a daemon's files, and soon full.
_SIZE = "256k"


class SmallDisk:
    """A file system of its own, in memory, at `folder`. Without the right to mount one, it is a plain folder.

    `problem` is the reason for that.
    """

    def __init__(self, folder: Path, size: str = _SIZE) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.problem = done.stderr.strip() if done.returncode else ""
        self.folder = folder
        self._filler = folder / "filler"

    @classmethod
    @contextmanager
    def mounted(cls, folder: Path) -> Iterator[Self]:
        """Mount one for the block, or skip the test if that is not permitted."""
        disk = cls(folder)
        if disk.problem:
            pytest.skip(f"mounting a small disk needs root with the right to mount: {disk.problem}")
        try:
            yield disk
        finally:
            disk.close()

    def close(self) -> None:
        """Unmount it."""
        if not self.problem:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def fill_up(self) -> None:
        """Write until no byte more goes in."""
        with self._filler.open("wb", buffering=0) as file:
            size = 4_096
            while size:
                try:
                    file.write(b"x" * size)
                except OSError:
                    size //= 2

    def free(self) -> None:
        """Make room again."""
        self._filler.unlink()

    def make_read_only(self) -> None:
        """Let nothing be written any more."""
        self._remount("ro")

    def make_writable(self) -> None:
        """Let everything be written again."""
        self._remount("rw")

    def _remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.folder)], check=True)
