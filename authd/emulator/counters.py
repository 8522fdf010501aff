"""What the emulator has been asked and what it has done, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """A snapshot: connections accepted, requests read, and these by action, by honest outcome and by fault.

    ``outcomes`` has ``Success`` or STS's error code, whatever a fault then made of it. Calls of actions that don't
    exist count as ``other``.
    """

    connections: int = 0
    requests: int = 0
    actions: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)


class Tally:
    """Counts; a snapshot may be taken at any moment."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests = 0
        self.actions: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def snapshot(self) -> Counters:
        """Give the numbers as they stand."""
        return Counters(
            connections=self.connections,
            requests=self.requests,
            actions=dict(self.actions),
            outcomes=dict(self.outcomes),
            faults=dict(self.faults),
        )
