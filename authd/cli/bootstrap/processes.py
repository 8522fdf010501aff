"""Finds processes that started before a point in time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")


def started_before(name: str, moment: float, argument: str, proc: Path = _PROC) -> list[int]:
    """Return the PIDs of processes of this name that started before `moment`, in seconds of the Unix epoch.

    If some have `argument` in their command line, only these count, because a machine with clusters in containers has
    several kube-apiservers. Empty if there are none, or if another PID namespace hides them.
    """
    found = list(_started(name, proc, argument))
    matching = [each for each in found if each.has_argument] or found
    return [each.pid for each in matching if each.started < moment]


class _Process(NamedTuple):
    """A process. `started` is in Unix seconds."""

    pid: int
    started: float
    has_argument: bool


def _started(name: str, proc: Path, argument: str) -> Iterator[_Process]:
    booted = time.time() - float((proc / "uptime").read_text("ascii").split()[0])
    for folder in proc.glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):  # it has just ended
            if (folder / "comm").read_text().strip() == name[:15]:  # the kernel keeps 15 characters
                # proc_pid_stat(5): field 22 is the start in clock ticks, and the name in parentheses may have blanks.
                ticks = int((folder / "stat").read_text().rpartition(")")[2].split()[19])
                started = booted + ticks / os.sysconf("SC_CLK_TCK")
                has_argument = argument.encode() in (folder / "cmdline").read_bytes()
                yield _Process(int(folder.name), started, has_argument)
