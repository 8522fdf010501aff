"""A token bucket: a rate with a burst."""

from __future__ import annotations


class TokenBucket:
    """Holds up to `burst` tokens and gains `rate` of them a second. `now` is in seconds of a monotonic clock."""

    __slots__ = ("_at", "_burst", "_rate", "left")

    def __init__(self, *, burst: float, rate: float, now: float) -> None:
        self._burst = burst
        self._rate = rate
        self._at = now
        self.left = burst

    def refilled(self, now: float) -> float:
        """Refill up to now and return the number of tokens left."""
        self.left = min(self._burst, self.left + (now - self._at) * self._rate)
        self._at = now
        return self.left
