"""A rate limit for log lines of one kind, which counts omitted lines."""

from __future__ import annotations

from authd.core.token_bucket import TokenBucket


class BoundedLines:
    """Permits `burst` lines and then `rate` of them a second. `now` is in seconds of a monotonic clock."""

    __slots__ = ("_bucket", "omitted")

    def __init__(self, *, burst: float, rate: float, now: float) -> None:
        self._bucket = TokenBucket(burst=burst, rate=rate, now=now)
        self.omitted = 0

    def permits(self, now: float) -> bool:
        """Return whether a line may be logged. If not, count it as omitted."""
        permitted = self._bucket.refilled(now) >= 1
        if permitted:
            self._bucket.left -= 1
        else:
            self.omitted += 1
        return permitted

    def take_omitted(self) -> int:
        """Return the number of lines omitted since the last call."""
        omitted, self.omitted = self.omitted, 0
        return omitted
