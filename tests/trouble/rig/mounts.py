"""Small disks that can be filled or made read-only. Only root can mount them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

#: Enough for a daemon's files, and quickly filled.
_SIZE = "256k"


class SmallDisk:
    """A small file system in memory, mounted at `folder`, or a plain folder if mounting is not permitted.

    `problem` is the reason in that case, otherwise empty.
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
        """Mount a disk for the block. Skips the test if mounting is not permitted."""
        disk = cls(folder)
        if disk.problem:
            pytest.skip(f"mounting a small disk needs root with the right to mount: {disk.problem}")
        try:
            yield disk
        finally:
            disk.close()

    def close(self) -> None:
        """Unmount the disk."""
        if not self.problem:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def fill_up(self) -> None:
        """Write until the disk is full."""
        with self._filler.open("wb", buffering=0) as file:
            size = 4_096
            while size:
                try:
                    file.write(b"x" * size)
                except OSError:
                    size //= 2

    def free(self) -> None:
        """Free the space again."""
        self._filler.unlink()

    def make_read_only(self) -> None:
        """Remount the disk read-only."""
        self._remount("ro")

    def make_writable(self) -> None:
        """Remount the disk writable."""
        self._remount("rw")

    def _remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.folder)], check=True)
