"""The daemon and the emulator as child processes that end with the demonstration.

The daemon reports readiness by sd_notify, with the demonstration as its service manager.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from authd.cli.demo.die_with_parent import ending_with_parent
from authd.cli.shared.errors import CommandError
from authd.emulator.process import EmulatorProcess

_START_SECONDS = 30.0
_POLL_SECONDS = 0.1
#: A stopping daemon still answers requests for some seconds.
_END_SECONDS = 40.0


def script(name: str) -> str:
    """Return the path of a command of this installation. Raises `CommandError`."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise CommandError(f"the command {name} is not beside {sys.executable}: install authd[daemon], see README.md")
    return found


class EmulatorChild(EmulatorProcess):
    """An emulator that ends with the process that started it."""

    def __init__(self, *arguments: str) -> None:
        super().__init__(*arguments)
        self._command = ending_with_parent(self._command)


class DaemonProcess:
    """A context manager that runs the daemon with a settings file. It logs JSON lines to a file."""

    def __init__(self, settings: Path, log: Path) -> None:
        self._settings = settings
        self._log = log
        self._read = 0

    def __enter__(self) -> Self:
        """Start the daemon and wait until it is ready. Raises `CommandError` with its last log lines."""
        self._log.touch()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            address = self._log.with_name("notify")
            manager.bind(str(address))
            manager.settimeout(_POLL_SECONDS)
            self._process = self._start(address)
            try:
                self._wait_until_ready(manager)
            except BaseException:
                self._end()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the daemon with SIGTERM, as systemd does, and wait for its end."""
        self._end()

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield the log events since the last call."""
        with self._log.open(encoding="utf-8") as log:
            log.seek(self._read)
            for line in iter(log.readline, ""):
                if not line.endswith("\n"):
                    break  # still being written
                self._read = log.tell()
                if line.startswith("{"):
                    yield json.loads(line)

    def _start(self, notify: Path) -> subprocess.Popen[bytes]:
        command = [script("twistd"), "--nodaemon", "--pidfile=", "authd", "--config", str(self._settings)]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "NOTIFY_SOCKET": str(notify)}
        with self._log.open("ab") as log:
            return subprocess.Popen(
                ending_with_parent([*command, "--log-format", "json"]),
                cwd=self._log.parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _wait_until_ready(self, manager: socket.socket) -> None:
        for _ in range(int(_START_SECONDS / _POLL_SECONDS)):
            try:
                if manager.recv(4096).startswith(b"READY=1"):
                    return
            except TimeoutError:
                if self._process.poll() is not None:
                    break
        raise CommandError(f"the daemon did not start:\n{self._log.read_text('utf-8', 'replace')[-2000:]}")

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
