"""Absolute deadlines of many connections, looked at once a second: cheaper than a timer for each request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as Interface

#: How often deadlines are looked at, in seconds: how late one may act.
SWEEP_SECONDS = 1.0


class Expiring(Interface):
    """A connection: `deadline` is when it must have moved on, by the same clock; `idle_since` where it rests."""

    deadline: float | None
    idle_since: float | None

    def expire(self) -> None:
        """End the connection at once; it does not rest any more, though it may take a moment to be gone."""
        ...

    def loseConnection(self) -> None:
        """End the connection when what was written is sent."""
        ...


class Deadlines:
    """All open connections, and which of them is due."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._connections: set[Expiring] = set()

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: Expiring) -> None:
        """Watch over a connection from now on."""
        self._connections.add(connection)

    def discard(self, connection: Expiring) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(connection)

    def sweep(self) -> None:
        """End every connection whose deadline has passed."""
        now = self._seconds()
        for connection in [c for c in self._connections if c.deadline is not None and c.deadline <= now]:
            connection.expire()

    def end_longest_idle(self) -> bool:
        """Make room by ending the connection that has rested longest; returns False where all are at work."""
        idle = [(c.idle_since, id(c), c) for c in self._connections if c.idle_since is not None]
        if idle:
            min(idle)[2].expire()
        return bool(idle)

    def close_all(self) -> None:
        """End every connection when what was written to it is sent."""
        for connection in list(self._connections):
            connection.loseConnection()

    def end_all(self) -> None:
        """End every connection at once."""
        for connection in list(self._connections):
            connection.expire()
