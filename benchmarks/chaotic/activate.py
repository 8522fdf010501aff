"""Start `twistd authd` with a socket from systemd's protocol, and with a wall clock that can jump.

Usage: activate.py DESCRIPTOR CLOCK authd [OPTION...]

DESCRIPTOR is a listening socket. CLOCK is a file of eight bytes: a double, the offset of the clock in seconds.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import time
from pathlib import Path

#: The descriptor of the first socket that systemd passes. See sd_listen_fds(3).
_FIRST_DESCRIPTOR = 3


def main() -> None:
    """Run twistd."""
    descriptor, clock = int(sys.argv[1]), Path(sys.argv[2])
    with clock.open("r+b") as opened:
        ahead = mmap.mmap(opened.fileno(), 8)
    if descriptor != _FIRST_DESCRIPTOR:
        os.dup2(descriptor, _FIRST_DESCRIPTOR)
        os.close(descriptor)
    os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "authd.socket"}
    real = time.time
    time.time = lambda: real() + struct.unpack_from("d", ahead)[0]
    from twisted.scripts.twistd import run  # noqa: PLC0415  # only now that its clock is this one

    sys.argv[1:3] = ["--nodaemon", "--pidfile="]
    sys.exit(run())


if __name__ == "__main__":
    main()
