"""The wall clock of a daemon that `run_adjusted.py` runs."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("run_adjusted.py")


class Clock:
    """Jumps as it is told."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.write_bytes(struct.pack("d", 0.0))

    @property
    def launcher(self) -> list[str]:
        """The command to run in place of twistd for a daemon with this clock."""
        return [sys.executable, str(_LAUNCHER), str(self._file)]

    def jump_to(self, seconds_ahead: float) -> None:
        """Be so many seconds ahead of the real clock from now on."""
        with self._file.open("r+b") as opened:
            opened.write(struct.pack("d", seconds_ahead))
