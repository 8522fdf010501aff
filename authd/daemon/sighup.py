"""Handles SIGHUP: check the files now, at a bounded rate."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

#: Shortest time between two checks, in seconds. A signal within it causes one more check at its end.
STORM_SECONDS = 0.05


class HangUps:
    """Calls `check` from the reactor after a SIGHUP, at most once in `STORM_SECONDS`."""

    def __init__(self, reactor: Any, check: Callable[[], None]) -> None:
        self._reactor = reactor
        self._check = check
        self._pending = False
        self._delaying = False

    def take(self) -> None:
        """Install the handler. SIGHUP's default action would end the process."""
        signal.signal(signal.SIGHUP, lambda *_: self.came())

    def came(self) -> None:
        """Schedule a check. Safe to call from a signal handler."""
        if not self._pending:
            self._pending = True
            self._reactor.callFromThread(self._run)

    def _run(self) -> None:
        if self._delaying:
            return
        self._pending = False
        self._delaying = True
        self._reactor.callLater(STORM_SECONDS, self._delay_over)
        self._check()

    def _delay_over(self) -> None:
        self._delaying = False
        if self._pending:
            self._run()
