"""Signals that end a command, turned into an orderly end: no process and no file of it stays."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class OrderlyEnd:
    """A context manager in which a signal raises `SystemExit`, once; further ones can't disturb the clean-up."""

    def __init__(self) -> None:
        self._held = False
        self._came = 0
        self._before: dict[signal.Signals, Any] = {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put a signal off until the end of what must not be left half done."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._came:
            sys.exit(128 + self._came)

    def __enter__(self) -> Self:
        """Take the signals."""
        self._before = {number: signal.signal(number, self._end) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back."""
        for number, former in self._before.items():
            signal.signal(number, former)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        self._came = number
        if not self._held:
            sys.exit(128 + number)
