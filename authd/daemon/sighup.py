"""SIGHUP: look at the files now, however many come at once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

#: In a storm of signals the files are looked at this often, in seconds; the last one is always heeded.
STORM_SECONDS = 0.05


class HangUps:
    """Calls `look` in the reactor's own time after a SIGHUP: the first at once, those of a storm together."""

    def __init__(self, reactor: Any, look: Callable[[], None]) -> None:
        self._reactor = reactor
        self._look = look
        self._pending = False
        self._resting = False

    def take(self) -> None:
        """Take the signal from now on; without this it would end the process."""
        signal.signal(signal.SIGHUP, lambda *_: self.came())

    def came(self) -> None:
        """Heed a signal; may be called between any two instructions of the reactor's thread."""
        if not self._pending:
            self._pending = True
            self._reactor.callFromThread(self._heed)

    def _heed(self) -> None:
        if self._resting:
            return
        self._pending = False
        self._resting = True
        self._reactor.callLater(STORM_SECONDS, self._rested)
        self._look()

    def _rested(self) -> None:
        self._resting = False
        if self._pending:
            self._heed()
