"""Absolute deadlines of connections, checked once a second. This is cheaper than a timer for each request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as Interface

#: Interval between two checks in seconds, and therefore the largest delay of a deadline.
SWEEP_SECONDS = 1.0
#: If a connection is needed, a request older than this (seconds) is ended before an idle connection.
STALLED_SECONDS = 0.5


class TimedConnection(Interface):
    """A connection with times of one clock.

    After `deadline` the connection is ended. `idle_since` is set between two requests. `stalled_since` is set while the
    connection waits for its client to send the rest of a request, to read the response or to close.
    """

    deadline: float | None
    idle_since: float | None
    stalled_since: float | None

    def expire(self) -> None:
        """End the connection at once. It is no longer idle or stalled, even if it takes a reactor turn to disappear."""
        ...

    def loseConnection(self) -> None:
        """End the connection after its pending data is sent."""
        ...


class Deadlines:
    """All open connections, with `seconds` as their clock."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._connections: set[TimedConnection] = set()

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: TimedConnection) -> None:
        """Add a connection."""
        self._connections.add(connection)

    def discard(self, connection: TimedConnection) -> None:
        """Remove a connection that has ended."""
        self._connections.discard(connection)

    def sweep(self) -> None:
        """End every connection whose deadline has passed."""
        now = self._seconds()
        for connection in [c for c in self._connections if c.deadline is not None and c.deadline <= now]:
            connection.expire()

    def make_room(self) -> bool:
        """End one connection that waits for its client. Returns False if all connections have a review in progress.

        The oldest stalled connection goes first if it is older than `STALLED_SECONDS`, otherwise the longest idle one.
        """
        stalled = [(c.stalled_since, id(c), c) for c in self._connections if c.stalled_since is not None]
        idle = [(c.idle_since, id(c), c) for c in self._connections if c.idle_since is not None]
        oldest = min(stalled, default=None)
        if oldest is None or (idle and oldest[0] > self._seconds() - STALLED_SECONDS):
            oldest = min(idle, default=None)
        if oldest is not None:
            oldest[2].expire()
        return oldest is not None

    def close_all(self) -> None:
        """End every connection after its pending data is sent."""
        for connection in list(self._connections):
            connection.loseConnection()

    def end_all(self) -> None:
        """End every connection at once."""
        for connection in list(self._connections):
            connection.expire()
