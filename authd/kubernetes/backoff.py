"""Exponential backoff with jitter, so that many daemons don't reconnect at the same time."""

from __future__ import annotations

from collections.abc import Callable


class Backoff:
    """Pauses of `first` seconds, doubled up to `longest`, each multiplied by 0.5 to 1.5. `random` returns 0 to 1."""

    def __init__(self, random: Callable[[], float], *, first: float = 0.2, longest: float = 5.0) -> None:
        self._random = random
        self._first = first
        self._longest = longest
        self._next = first

    def pause(self, at_least: float = 0.0) -> float:
        """Return the seconds to wait before the next attempt."""
        seconds = self._next * (0.5 + self._random())
        self._next = min(self._next * 2, self._longest)
        return max(seconds, at_least)

    def reset(self) -> None:
        """Start again with `first`, after a successful attempt."""
        self._next = self._first
