"""Handles SIGHUP by a check of the files, at a limited rate."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

#: Shortest time between two checks, in seconds. A signal within it causes one more check at its end.
MIN_INTERVAL_SECONDS = 0.05


class SighupHandler:
    """Calls `check` from the reactor after a SIGHUP, at most once in `MIN_INTERVAL_SECONDS`."""

    def __init__(self, reactor: Any, check: Callable[[], None]) -> None:
        self._reactor = reactor
        self._check = check
        self._pending = False
        self._delaying = False

    def install(self) -> None:
        """Install the handler. SIGHUP's default action would end the process."""
        signal.signal(signal.SIGHUP, lambda *_: self.schedule())

    def schedule(self) -> None:
        """Schedule a check. Safe to call from a signal handler."""
        if not self._pending:
            self._pending = True
            self._reactor.callFromThread(self._run)

    def _run(self) -> None:
        if self._delaying:
            return
        self._pending = False
        self._delaying = True
        self._reactor.callLater(MIN_INTERVAL_SECONDS, self._delay_over)
        self._check()

    def _delay_over(self) -> None:
        self._delaying = False
        if self._pending:
            self._run()
