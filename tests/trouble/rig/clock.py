"""The wall clock of a daemon started by `run_adjusted.py`."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("run_adjusted.py")


class Clock:
    """A clock that jumps on demand."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.write_bytes(struct.pack("d", 0.0))

    @property
    def launcher(self) -> list[str]:
        """The command that replaces twistd for a daemon with this clock."""
        return [sys.executable, str(_LAUNCHER), str(self._file)]

    def jump_to(self, seconds_ahead: float) -> None:
        """Set the offset from the real clock, in seconds."""
        with self._file.open("r+b") as opened:
            opened.write(struct.pack("d", seconds_ahead))
