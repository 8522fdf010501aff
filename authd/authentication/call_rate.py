"""The total rate of calls to STS, with a reserve for each lane, and the strangers' budget of wasted calls."""

from __future__ import annotations

from authd.authentication.callers import Standing, Verdict
from authd.core.token_bucket import TokenBucket

#: Seconds of calls at the full rate that may start at once.
BURST_SECONDS = 2.0
#: Share of the burst that each lane leaves to the lanes before it.
_RESERVES = {Standing.CONFIRMED: 0.0, Standing.KNOWN: 0.25, Standing.STRAINED: 0.5, Standing.STRANGER: 0.5}
#: Share of the rate that strangers may waste on refusals and unmapped identities, and the seconds of it in a burst.
STRANGERS_SHARE, STRANGERS_BURST_SECONDS = 1 / 3, 10.0
#: Verdicts that cost strangers a part of their budget.
_WASTED = frozenset({Verdict.UNMAPPED, Verdict.REFUSED})


class CallRate:
    """Counts calls against `rate` a second. `now` is the time in seconds of a monotonic clock."""

    def __init__(self, rate: float, now: float) -> None:
        burst, wasted = rate * BURST_SECONDS, rate * STRANGERS_SHARE
        self._calls = TokenBucket(burst=burst, rate=rate, now=now)
        self._least = {standing: 1 + int(share * burst) for standing, share in _RESERVES.items()}
        self._strangers = TokenBucket(burst=max(1.0, wasted * STRANGERS_BURST_SECONDS), rate=wasted, now=now)

    def allows(self, standing: Standing, now: float) -> bool:
        """Return whether a call may start."""
        if self._calls.refilled(now) < self._least[standing]:
            return False
        return standing is not Standing.STRANGER or self._strangers.refilled(now) >= 1

    def started(self, standing: Standing) -> None:
        """Count a call that starts. A stranger's counts as wasted until it has ended."""
        self._calls.left -= 1
        self._strangers.left -= standing is Standing.STRANGER

    def ended(self, standing: Standing, verdict: Verdict) -> None:
        """Count a call that has ended."""
        self._strangers.left += standing is Standing.STRANGER and verdict not in _WASTED
