"""The daemon of a chaos run, under a small service manager that keeps its socket open and restarts it."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.servers.daemon import environment
from tests.trouble.rig.mounts import SmallDisk

_LAUNCHER = Path(__file__).with_name("activate.py")
_START_SECONDS = 60.0
_POLL_SECONDS = 0.05
#: Enough for a state directory with the mappings of hundreds of users, and quickly filled.
_DISK_SIZE = "512k"
#: Texts as long as a secret key, signatures, and the beginning of tokens.
_RUNS, _SIGNATURE, _TOKEN = re.compile(r"[A-Za-z0-9_-]{40,}"), re.compile(r"[0-9a-f]{64}"), "k8s-aws-v1."


@dataclass(slots=True, kw_only=True)
class Journal:
    """Searches the daemons' log for secrets and tracebacks, and for the reasons of unexpected exits."""

    secrets: set[str] = field(default_factory=set)
    tracebacks: Counter[str] = field(default_factory=Counter)
    ends: list[str] = field(default_factory=list)
    leaks: int = 0
    lines: int = 0

    def read(self, text: str) -> None:
        """Search a part of the log."""
        self.lines += text.count("\n")
        self.leaks += text.count(_TOKEN) + len(_SIGNATURE.findall(text))
        self.leaks += sum(run in self.secrets for run in _RUNS.findall(text))
        for line in text.splitlines():
            if '"traceback":' in line or line.startswith("Traceback"):
                self.tracebacks[line[:2_000]] += 1
            elif '"level":"critical","logger":"authd.daemon"' in line:  # it can't start
                self.ends.append(line[:500])


class ChaosDaemon:
    """Runs `twistd authd` on a socket that stays open, and restarts it whenever it ends."""

    def __init__(self, folder: Path, core: int) -> None:
        folder.mkdir()
        self.folder = folder
        self.settings = folder / "etc" / "config.yaml"
        self.settings.parent.mkdir()
        self.disk = SmallDisk(folder / "state", _DISK_SIZE)
        self.journal = Journal()
        self.starts = 0
        #: The start of the current daemon, in monotonic seconds.
        self.started = float("-inf")
        self._asked_to_end = False
        self._core = core
        self._clock = folder / "clock"
        self._log = folder / "log"
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1_024)
        self.port = int(self._socket.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None
        self.set_clock(0.0)

    def set_clock(self, seconds_ahead: float) -> None:
        """Set the offset of the daemon's wall clock."""
        content = struct.pack("d", seconds_ahead)
        if self._clock.exists():
            with self._clock.open("r+b") as opened:
                opened.write(content)
        else:
            self._clock.write_bytes(content)

    def start(self) -> None:
        """Start the daemon without waiting."""
        self.starts += 1
        self.started = time.monotonic()
        self._asked_to_end = False
        listening = self._socket.fileno()
        command = ["taskset", "-c", str(self._core), sys.executable, str(_LAUNCHER), str(listening), str(self._clock)]
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                [*command, "authd", "--config", str(self.settings), "--state-dir", str(self.disk.folder)],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                pass_fds=[listening],
                env=environment(),
            )

    async def wait_until_ready(self) -> None:
        """Wait for the CA certificate. The socket is open already."""
        limit = time.monotonic() + _START_SECONDS
        while not (self.disk.folder / "ca.pem").exists():
            if time.monotonic() > limit:
                raise SystemExit(f"the daemon did not start: {self._log.read_text()[-2_000:]}")
            await asyncio.sleep(_POLL_SECONDS)

    async def supervise(self) -> None:
        """Restart the daemon whenever it ends, until cancelled."""
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            if self._process is not None and self._process.poll() is not None:
                if not self._asked_to_end:
                    self.journal.ends.append(f"the daemon ended by itself with {self._process.returncode}")
                self.start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        if self._process is not None and self._process.poll() is None:
            self._asked_to_end |= number in {signal.SIGTERM, signal.SIGKILL}
            self._process.send_signal(number)

    def read_log(self) -> None:
        """Search the log, and empty it."""
        with self._log.open("r+", errors="replace") as log:
            self.journal.read(log.read())
            log.truncate(0)

    def resident_mb(self) -> float:
        """Return the resident memory in MB of 1024 × 1024 bytes."""
        lines = Path(f"/proc/{self._pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024

    def descriptors(self) -> int:
        """Return the number of open file descriptors."""
        return len(list(Path(f"/proc/{self._pid}/fd").iterdir()))

    @property
    def _pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """End the daemon and close the socket."""
        self.signal(signal.SIGTERM)
        if self._process is not None:
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self.read_log()
        self._socket.close()
        self.disk.close()
