"""Runs a command that ends when the process that started it does, however that ends.

Usage: python -m authd.cli.demo.die_with_parent PARENT COMMAND [ARGUMENT...]
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

#: Of <sys/prctl.h>: a signal for the end of the parent, which the command keeps; see prctl(2).
_PR_SET_PDEATHSIG = 1


def tied(command: list[str]) -> list[str]:
    """Return a command line that runs the command as long as this process lives."""
    return [sys.executable, "-P", "-m", "authd.cli.demo.die_with_parent", str(os.getpid()), *command]


def main() -> None:
    """Tie this process to its parent, and become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    # Killed, not asked to end: what nobody waits for any more must not take its time.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)  # it has ended before this could tell
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
