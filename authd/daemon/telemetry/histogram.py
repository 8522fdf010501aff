"""A histogram as plain numbers."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

#: Upper bounds. A review takes about a millisecond without a call to STS, and up to the call's deadline with one.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Histogram:
    """A histogram of durations in seconds. `total` is their sum."""

    def __init__(self, name: str, help_text: str) -> None:
        self.name, self.help_text = name, help_text
        self.total = 0.0
        self._counts = [0] * (len(_BUCKETS) + 1)

    def observe(self, seconds: float) -> None:
        """Count a duration."""
        self._counts[bisect_left(_BUCKETS, seconds)] += 1
        self.total += seconds

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """The cumulative counts, each with its upper bound as text."""
        return list(zip([*map(str, _BUCKETS), "+Inf"], map(float, accumulate(self._counts)), strict=True))
