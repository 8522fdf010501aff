"""Runs real shells in a pseudo-terminal, types a line and presses Tab."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_SECONDS = 30.0
_KILL_LINE, _TAB = b"\x15", b"\t"
#: Loads completion in a shell without the user's own files.
_START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "bind 'set bell-style none' 'set enable-bracketed-paste off'"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D"),
}


class TypedShell:
    """An interactive bash or zsh that has sourced a completion script. Lines are typed, never executed."""

    def __init__(self, shell: str, script: Path, folder: Path) -> None:
        self._command, prepare = _START[shell]
        self._setup = f"PS1=; cd {folder}; {prepare}; source {script}; echo REA''DY\n"

    def __enter__(self) -> Self:
        """Start the shell, and wait until the script is loaded."""
        self._terminal, end = pty.openpty()
        environ = {"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
        self._process = subprocess.Popen(
            self._command, stdin=end, stdout=end, stderr=end, env=environ, start_new_session=True
        )
        os.close(end)
        os.write(self._terminal, self._setup.encode())
        assert "READY" in self._read("READY\r\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the shell."""
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)

    def shown_after_tab(self, line: str, expected: str) -> str:
        """Return the terminal's output for a line and Tab. Waits for the expected text, or until a timeout."""
        os.write(self._terminal, _KILL_LINE)
        os.write(self._terminal, line.encode() + _TAB)
        return self._read(expected)

    def _read(self, expected: str) -> str:
        shown, deadline = "", time.monotonic() + _SECONDS
        while expected not in shown and time.monotonic() < deadline:
            if select.select([self._terminal], [], [], 0.1)[0]:
                shown += os.read(self._terminal, 65_536).decode(errors="replace")
        return shown
