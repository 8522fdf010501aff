"""Slots for calls to one STS host, so that a slow or unreachable host does not delay calls to other hosts."""

from __future__ import annotations

from authd.authentication.callers import Standing, Verdict
from authd.authentication.fair_pool import FairPool

#: A host that has responded within this time, in seconds, has all of its slots.
_PROVEN_SECONDS = 600.0
#: Maximum number of slots of any other host. Tokens may name regions that are unreachable or don't exist.
MAX_UNPROVEN = 8
#: Such hosts together have the slots of this many.
MAX_UNPROVEN_HOSTS = 8
#: After throttling, strangers have one slot of the host for this time, in seconds.
_THROTTLED_SECONDS = 1.0


class HostSlots:
    """Calls in flight and waiting at one host. `concurrency` is the number of slots that strangers may take."""

    __slots__ = ("_concurrency", "_responded", "_throttled", "in_flight", "pools")

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._responded = float("-inf")
        self._throttled = float("-inf")
        self.in_flight = 0
        self.pools = {standing: FairPool() for standing in Standing}

    @property
    def waiting(self) -> int:
        """The number of waiting calls."""
        return sum(map(len, self.pools.values()))

    def is_proven(self, now: float) -> bool:
        """Return whether the host has responded lately."""
        return now - self._responded < _PROVEN_SECONDS

    def has_slot(self, standing: Standing, now: float) -> bool:
        """Return whether a call may start.

        Known keys have a quarter more slots than strangers, and confirmed tokens twice as many.
        """
        slots = self._concurrency if self.is_proven(now) else min(self._concurrency, MAX_UNPROVEN)
        if standing is Standing.CONFIRMED:
            slots *= 2
        elif standing is Standing.KNOWN:
            slots += max(1, slots // 4)
        elif now - self._throttled < _THROTTLED_SECONDS:
            slots = 1
        return self.in_flight < slots

    def record(self, verdict: Verdict, now: float) -> None:
        """Record the outcome of a call."""
        if verdict is not Verdict.FAILED:
            self._responded = now
        if verdict is Verdict.THROTTLED:
            self._throttled = now
