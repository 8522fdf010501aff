"""Run `twistd` with a timer of a millisecond in its reactor, which records late turns.

Run: python benchmarks/servers/ticking.py FILE authd --config …

Each line of FILE has the monotonic time in seconds, then in milliseconds: the delay of the timer, the time for which
the thread waited for a processor, and the processor time that it used since the previous tick.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import IO, Any

from twisted.internet import reactor
from twisted.scripts.twistd import run

#: Seconds between two ticks.
TICK_SECONDS = 0.001
#: The least delay of a recorded tick.
_NOTED_SECONDS = 0.002


class Ticker:
    """Measures the turns of a reactor. Everything is in seconds."""

    def __init__(self, reactor: Any, file: IO[str]) -> None:
        self._reactor = reactor
        self._file = file
        # Opened in the reactor's thread, because the kernel counts each thread separately.
        self._schedule = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        self._last = self._now()

    def tick(self) -> None:
        """Measure the time since the last tick, and schedule the next one."""
        now = self._now()
        at, waited, used = (new - old for new, old in zip(now, self._last, strict=True))
        if at - TICK_SECONDS > _NOTED_SECONDS:
            print(
                f"{now[0]:.6f} {(at - TICK_SECONDS) * 1e3:.3f} {waited * 1e3:.3f} {used * 1e3:.3f}",
                file=self._file,
                flush=True,
            )
        self._last = self._now()
        self._reactor.callLater(TICK_SECONDS, self.tick)

    def _now(self) -> tuple[float, float, float]:
        """Return the clock, the thread's waiting time for a processor, and its processor time."""
        _, waited, _ = os.pread(self._schedule, 100, 0).split()
        return time.monotonic(), int(waited) / 1e9, time.thread_time()


def main() -> None:
    """Run twistd."""
    file = Path(sys.argv.pop(1)).open("w", encoding="utf-8")  # noqa: SIM115  # until the process ends
    running: Any = reactor
    running.callWhenRunning(lambda: Ticker(running, file).tick())
    sys.exit(run())


if __name__ == "__main__":
    main()
