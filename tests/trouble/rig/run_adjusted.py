"""Run `twistd` with an adjustable wall clock, and with more frequent polling of files.

Usage: run_adjusted.py CLOCK authd [OPTION...]

CLOCK is a file of eight bytes: the offset from the real clock in seconds. It may change at any time. Files are polled
for missed events every second instead of every half minute. Everything else is unchanged.
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
    """Run twistd."""
    shift_clock(Path(sys.argv[1]))
    del sys.argv[1]
    from twisted.scripts.twistd import run  # after the clock is replaced

    from authd.sources import directory_watcher as watcher

    watcher.POLL_SECONDS = POLL_SECONDS
    sys.argv[1:1] = ["--nodaemon", "--pidfile="]
    sys.exit(run())


if __name__ == "__main__":
    main()
