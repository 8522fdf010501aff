"""Pass a listening socket to `twistd authd` as systemd does: descriptor 3, LISTEN_FDS and LISTEN_PID, then exec.

Usage: launch_as_systemd_does.py DESCRIPTOR authd [OPTION...]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_FIRST_DESCRIPTOR = 3


def main() -> None:
    """Execute the daemon."""
    descriptor = int(sys.argv[1])
    if descriptor != _FIRST_DESCRIPTOR:
        os.dup2(descriptor, _FIRST_DESCRIPTOR)
        os.close(descriptor)
    os.set_inheritable(_FIRST_DESCRIPTOR, True)
    os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "authd.socket"}
    twistd = str(Path(sys.executable).parent / "twistd")
    os.execv(twistd, [twistd, "--nodaemon", "--pidfile=", *sys.argv[2:]])


main()
