"""The total rate of calls to STS, with a reserve for each lane, and a budget for calls that strangers waste."""

from __future__ import annotations

from authd.authentication.callers import Standing, Verdict
from authd.core.token_bucket import TokenBucket

#: The burst, in seconds of calls at the full rate.
BURST_SECONDS = 2.0
#: Share of the burst that each lane leaves to the lanes before it.
_RESERVES = {Standing.CONFIRMED: 0.0, Standing.KNOWN: 0.25, Standing.STRAINED: 0.5, Standing.STRANGER: 0.5}
#: Calls per second that each lane open to strangers may waste on refusals and unmapped identities, a sixth of the
#: quota that AWS gives an account (600 per second in each Region), and at most this share of the total rate.
STRANGERS_RATE, STRANGERS_SHARE = 100.0, 1 / 3
#: The burst of wasted calls, in seconds at their full rate.
STRANGERS_BURST_SECONDS = 10.0
#: Verdicts of wasted calls.
_WASTED = frozenset({Verdict.UNMAPPED, Verdict.REFUSED})


class CallRate:
    """Counts calls against `rate` a second. `now` is the time in seconds of a monotonic clock."""

    def __init__(self, rate: float, now: float) -> None:
        burst, wasted = rate * BURST_SECONDS, min(STRANGERS_RATE, rate * STRANGERS_SHARE)
        self._calls = TokenBucket(burst=burst, rate=rate, now=now)
        self._least = {standing: 1 + int(share * burst) for standing, share in _RESERVES.items()}
        self._wasted = {
            standing: TokenBucket(burst=max(1.0, wasted * STRANGERS_BURST_SECONDS), rate=wasted, now=now)
            for standing in (Standing.STRAINED, Standing.STRANGER)
        }

    def allows(self, standing: Standing, now: float) -> bool:
        """Return whether a call may start."""
        if self._calls.refilled(now) < self._least[standing]:
            return False
        wasted = self._wasted.get(standing)
        return wasted is None or wasted.refilled(now) >= 1

    def started(self, standing: Standing) -> None:
        """Count a call that starts. In a lane open to strangers it counts as wasted until it has ended."""
        self._calls.left -= 1
        if standing in self._wasted:
            self._wasted[standing].left -= 1

    def left(self, now: float) -> dict[str, float]:
        """Return the calls that may start at once, in total, and those that each lane open to strangers may waste."""
        return {
            "total": self._calls.refilled(now),
            "strained": self._wasted[Standing.STRAINED].refilled(now),
            "strangers": self._wasted[Standing.STRANGER].refilled(now),
        }

    def ended(self, standing: Standing, verdict: Verdict) -> None:
        """Count a call that has ended."""
        if standing in self._wasted and verdict not in _WASTED:
            self._wasted[standing].left += 1
