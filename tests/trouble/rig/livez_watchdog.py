"""Request a daemon's /livez every 20 ms from a separate process, and print the response times.

Usage: livez_watchdog.py PORT PID. Ends at the end of its standard input, with one line of JSON: the number of requests,
the longest and the 99th percentile of the response times in milliseconds, and the longest one without the time for
which the daemon's main thread and this process waited for a processor (see sched-stats in the kernel's documentation),
because a busy machine is not a fault of the daemon.
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
    """Return the total time for which the tasks have waited for a processor, in seconds."""
    waited = 0
    for file in files:
        file.seek(0)
        waited += int(file.read().split()[1])
    return waited / 1e9


def _ask(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/livez")
    connection.getresponse().read()


def main() -> None:
    """Send requests until the end of standard input."""
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
