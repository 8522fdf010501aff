"""Ask a daemon's /livez every 20 ms from a process of its own, and print how long the answers took in the end.

Usage: livez_watchdog.py PORT PID. Ends at the end of its standard input, with one line of JSON: how many questions
were asked, the longest and the 99th percentile of the answers' times in milliseconds, and the longest without the time
that the daemon's main thread and this process waited for a processor that others had (see sched-stats in the kernel's
documentation): a busy machine is no fault of the daemon's.
"""

from __future__ import annotations

import http.client
import json
import select
import sys
import time
from typing import BinaryIO

_EVERY_SECONDS = 0.02
_LONGEST_WAIT_SECONDS = 60.0


def _waited(files: tuple[BinaryIO, ...]) -> float:
    """Return how long the tasks have waited for a processor so far, in seconds."""
    waited = 0
    for file in files:
        file.seek(0)
        waited += int(file.read().split()[1])
    return waited / 1e9


def _ask(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/livez")
    connection.getresponse().read()


def main() -> None:
    """Ask until standard input ends."""
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=_LONGEST_WAIT_SECONDS)
    files = tuple(open(f"/proc/{pid}/schedstat", "rb", buffering=0) for pid in (sys.argv[2], "self"))  # noqa: SIM115  # open for the whole run
    took: list[float] = []
    own: list[float] = []
    while not select.select([sys.stdin], [], [], _EVERY_SECONDS)[0]:
        waited, began = _waited(files), time.monotonic()
        _ask(connection)
        took.append((time.monotonic() - began) * 1000)
        own.append(took[-1] - (_waited(files) - waited) * 1000)
    p99 = sorted(took)[len(took) * 99 // 100]
    figures = {"asked": len(took), "longest_ms": max(took), "p99_ms": p99, "longest_own_ms": max(own)}
    sys.stdout.write(json.dumps(figures) + "\n")


main()
