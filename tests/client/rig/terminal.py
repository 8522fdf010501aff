"""Runs authd-token in a pseudo-terminal and types the input of a user."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

# Make the terminal on stdin the controlling one, then execute authd-token.
_EXECUTE = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
PROMPT = b"MFA code for"


def run_in_terminal(command: list[str], environ: dict[str, str], typed: bytes) -> tuple[int, str, bytes]:
    """Run a command with a terminal as its stdin, stderr and controlling terminal, and stdout in a pipe.

    `typed` is entered at the prompt for an MFA code. Returns the exit status, the output on stdout and the terminal's
    output.
    """
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _EXECUTE, *command], env=environ, stdin=end, stderr=end, stdout=subprocess.PIPE,
        start_new_session=True, text=True,
    )  # fmt: skip
    os.close(end)
    seen = _enter_code(terminal, typed)
    printed, _ = process.communicate(timeout=60)
    os.close(terminal)
    return process.returncode, printed, seen


def _enter_code(terminal: int, typed: bytes) -> bytes:
    """Type the input at the prompt for a code, and return the terminal's output up to the end of the program."""
    seen, sent, deadline = b"", False, time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            chunk = os.read(terminal, 1024)
        except OSError:  # the other end is closed
            break
        seen += chunk
        if PROMPT in seen and not sent:
            os.write(terminal, typed)
            sent = True
    return seen
