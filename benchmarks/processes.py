"""Measured processes: each pinned to a core, with its figures from /proc."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")
#: The Debian package of each program.
_PACKAGES = {
    "wrk": "wrk",
    "nginx": "nginx libnginx-mod-http-lua",
    "taskset": "util-linux",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """A core for the server only, and one for everything else."""

    server: int
    around: int


def choose_cores() -> Cores:
    """Take the first core for the server and the last one for the rest. Exits if there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1:
        raise SystemExit("these figures need two cores: one for the server, one for wrk and nginx")
    return Cores(server=cores[0], around=cores[-1])


def program(name: str) -> str:
    """Return the path of a program. Exits with the package to install if it is missing."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if found is None:
        raise SystemExit(f"{name} is missing: apt install {_PACKAGES[name]}")
    return found


class Running:
    """A context manager that runs a process on one core."""

    def __init__(
        self, command: Sequence[str], core: int, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [program("taskset"), "-c", str(core), *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment,
            )
        self.log = log
        self._proc = Path(f"/proc/{self.process.pid}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """End the process. It has a few seconds for its shutdown."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_seconds(self) -> float:
        """Return the processor time so far, user and system, with a resolution of 10 ms."""
        fields = self._proc.joinpath("stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_mb(self) -> float:
        """Return the resident memory in MB of 1024 × 1024 bytes."""
        lines = self._proc.joinpath("status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024

    def descriptors(self) -> int:
        """Return the number of open file descriptors."""
        return len(list(self._proc.joinpath("fd").iterdir()))
