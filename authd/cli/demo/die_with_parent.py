"""Runs a command that is killed when the process that started it ends.

Usage: python -m authd.cli.demo.die_with_parent PARENT COMMAND [ARGUMENT...]
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

#: From <sys/prctl.h>: a signal at the parent's end. It survives execve, see prctl(2).
_PR_SET_PDEATHSIG = 1


def ending_with_parent(command: list[str]) -> list[str]:
    """Return a command line that runs the command until this process ends."""
    return [sys.executable, "-P", "-m", "authd.cli.demo.die_with_parent", str(os.getpid()), *command]


def main() -> None:
    """Request SIGKILL at the parent's end, and execute the command in this process."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    # SIGKILL, because no process waits for a graceful end any more.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)  # the parent ended before the call of prctl
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
