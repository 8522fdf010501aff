"""Processes of this machine that have to be restarted."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def started_before(name: str, moment: float, proc: Path = _PROC) -> list[int]:
    """Return the PIDs of processes of this name that started before `moment`, in seconds of the Unix epoch.

    Empty if there is none, also if another PID namespace hides them.
    """
    return [pid for pid, started in _started(name, proc) if started < moment]


def _started(name: str, proc: Path) -> Iterator[tuple[int, float]]:
    booted = time.time() - float((proc / "uptime").read_text("ascii").split()[0])
    for folder in proc.glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):  # it has just ended
            if (folder / "comm").read_text().strip() == name[:15]:  # the kernel keeps 15 characters
                # proc_pid_stat(5): field 22 is the start in clock ticks, and the name in parentheses may have blanks.
                ticks = int((folder / "stat").read_text().rpartition(")")[2].split()[19])
                yield int(folder.name), booted + ticks / os.sysconf("SC_CLK_TCK")
