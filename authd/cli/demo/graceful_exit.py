"""Turns termination signals into `SystemExit`, so that a command cleans up its processes and files."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class GracefulExit:
    """A context manager in which a signal raises `SystemExit`. Further signals are ignored during the clean-up."""

    def __init__(self) -> None:
        self._deferred = False
        self._received = 0
        self._before: dict[signal.Signals, Any] = {}

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Defer a signal to the end of the block."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        if self._received:
            sys.exit(128 + self._received)

    def __enter__(self) -> Self:
        """Install the handlers."""
        self._before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the former handlers."""
        for number, former in self._before.items():
            signal.signal(number, former)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        self._received = number
        if not self._deferred:
            sys.exit(128 + number)
