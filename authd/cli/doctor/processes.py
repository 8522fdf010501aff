"""Reads the process table: the daemon's user, and kube-apiserver's flags and start time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

#: In /proc/PID/stat, counted from the field after the name in parentheses. Source: proc_pid_stat(5), field 22.
_START_FIELD = 19

#: The names by which authd's own command line runs the daemon.
_PROGRAMS = frozenset({"authd", "aws-iam-authenticator", "heptio-authenticator-aws"})


class Process(NamedTuple):
    """One process: its folder in /proc and its command line."""

    folder: Path
    command: tuple[str, ...]


def processes(proc: Path) -> Iterator[Process]:
    """Yield all visible processes."""
    for folder in proc.iterdir() if proc.is_dir() else ():
        if folder.name.isdigit():
            with suppress(OSError):  # it has ended, or is hidden
                command = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                yield Process(folder, tuple(word.decode("utf-8", "replace") for word in command))


def find_kube_apiservers(proc: Path) -> list[Process]:
    """Return the processes of kube-apiserver. A machine with clusters in containers has several."""
    return [each for each in processes(proc) if "kube-apiserver" in [Path(word).name for word in each.command[:2]]]


def daemon_uid(proc: Path, config: Path) -> int | None:
    """Return the UID of the running daemon with this settings file, None if it does not run or is hidden."""
    for process in processes(proc):
        command = process.command
        names = {Path(word).name for word in command[:2]}
        if ("authd" in command and "twistd" in names) or ("server" in command and names & _PROGRAMS):
            has_default = not any(word.startswith(("--config", "-c")) for word in command)
            if has_default or any(word.endswith(str(config)) for word in command):
                with suppress(OSError):
                    return process.folder.stat().st_uid
    return None


def started(proc: Path, process: Process, now: float) -> datetime | None:
    """Return the start time of a process, None if it can't be read. `now` is in Unix seconds.

    It is computed from /proc/uptime: the time of the boot in /proc/stat is rounded down to a second.
    """
    try:
        fields = (process.folder / "stat").read_text().rpartition(")")[2].split()
        uptime = float((proc / "uptime").read_text().split()[0])
        ticks = int(fields[_START_FIELD])
    except (OSError, ValueError, LookupError):
        return None
    return datetime.fromtimestamp(now - uptime + ticks / os.sysconf("SC_CLK_TCK"), UTC)
