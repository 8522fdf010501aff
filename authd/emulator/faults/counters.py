"""Counters of the emulator's connections, requests and outcomes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """A snapshot: connections, and requests in total, by action, by regular outcome and by fault.

    `outcomes` counts `Success` and STS's error codes, regardless of faults. Unknown actions count as `other`.
    """

    connections: int = 0
    requests: int = 0
    actions: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)


class Tally:
    """The running counters."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests = 0
        self.actions: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def snapshot(self) -> Counters:
        """Return the current counts."""
        return Counters(
            connections=self.connections,
            requests=self.requests,
            actions=dict(self.actions),
            outcomes=dict(self.outcomes),
            faults=dict(self.faults),
        )
