"""Run `twistd` with a wall clock that can be made to jump, and with files that are looked at more often.

Usage: run_adjusted.py CLOCK authd [OPTION...]

CLOCK is a file of eight bytes, a number of seconds that the clock is ahead of the real one; it may change at any time.
What is polled for lost events is polled every second instead of every half minute. The rest is the daemon as it is.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from pathlib import Path

POLL_SECONDS = 1.0


def shift_clock(file: Path) -> None:
    """Shift `time.time` by the file's content for all modules imported from now on."""
    with file.open("r+b") as opened:
        ahead = mmap.mmap(opened.fileno(), 8)
    real = time.time
    time.time = lambda: real() + struct.unpack_from("d", ahead)[0]


def main() -> None:
    """Be twistd."""
    shift_clock(Path(sys.argv[1]))
    del sys.argv[1]
    from twisted.scripts.twistd import run  # only now that the clock is ours

    from authd.sources import directory_watcher as watcher

    watcher.POLL_SECONDS = POLL_SECONDS
    sys.argv[1:1] = ["--nodaemon", "--pidfile="]
    sys.exit(run())


if __name__ == "__main__":
    main()
