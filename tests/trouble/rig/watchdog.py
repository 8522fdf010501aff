"""Measures the stalls of a daemon's reactor from another process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.integration.rig.daemon import DaemonProcess

_SCRIPT = Path(__file__).with_name("livez_watchdog.py")


class Watchdog:
    """A process that polls /livez. After its end, `longest_ms` is the longest response time."""

    asked: int
    longest_ms: float
    p99_ms: float
    #: The longest response time without the time spent waiting for a processor.
    longest_own_ms: float

    def __init__(self, daemon: DaemonProcess) -> None:
        self._daemon = daemon

    def __enter__(self) -> Self:
        command = [sys.executable, "-I", "-S", str(_SCRIPT), str(self._daemon.health_port)]
        command.append(str(self._daemon.process.pid))
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process and read its results. A second call does nothing."""
        if self._process.returncode is None:
            output, _ = self._process.communicate(timeout=90)
            figures = json.loads(output)
            self.asked, self.longest_ms, self.p99_ms = figures["asked"], figures["longest_ms"], figures["p99_ms"]
            self.longest_own_ms = figures["longest_own_ms"]
