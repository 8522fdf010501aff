"""The reactor's lag: how late a timer fires. Long computations and a busy CPU raise it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

#: Interval of the measurement, in seconds.
MEASURE_SECONDS = 1.0
#: The gauge is the largest lag of this many intervals, so that a scrape every half minute misses none.
_INTERVALS = 30


class ReactorLag:
    """Measures the lag. `seconds` is a monotonic clock."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._lags: deque[float] = deque([0.0], maxlen=_INTERVALS)
        self._last = seconds()

    def measure(self) -> None:
        """Measure once. Called every `MEASURE_SECONDS`."""
        now = self._seconds()
        self._lags.append(max(0.0, now - self._last - MEASURE_SECONDS))
        self._last = now

    @property
    def largest(self) -> float:
        """The largest lag of the last half minute, in seconds."""
        return max(self._lags)
