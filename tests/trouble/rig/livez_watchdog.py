"""Ask a daemon's /livez every 20 ms from a process of its own, and print how long the answers took in the end.

Usage: livez_watchdog.py PORT. Ends at the end of its standard input, with one line of JSON: how many questions were
asked, and the longest and the 99th percentile of the answers' times in milliseconds.
"""

from __future__ import annotations

import http.client
import json
import select
import sys
import time

_EVERY_SECONDS = 0.02
_LONGEST_WAIT_SECONDS = 60.0


def main() -> None:
    """Ask until standard input ends."""
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=_LONGEST_WAIT_SECONDS)
    took: list[float] = []
    while not select.select([sys.stdin], [], [], _EVERY_SECONDS)[0]:
        began = time.monotonic()
        connection.request("GET", "/livez")
        connection.getresponse().read()
        took.append((time.monotonic() - began) * 1000)
    took.sort()
    print(json.dumps({"asked": len(took), "longest_ms": took[-1], "p99_ms": took[len(took) * 99 // 100]}))


main()
