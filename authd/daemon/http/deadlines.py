"""Absolute deadlines of many connections, looked at once a second: cheaper than a timer for each request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as Interface

#: How often deadlines are looked at, in seconds: how late one may act.
SWEEP_SECONDS = 1.0
#: A request that takes longer than this to arrive makes room before a connection that rests, in seconds.
STALLED_SECONDS = 0.5


class TimedConnection(Interface):
    """A connection, with times of one clock.

    `deadline` is when it must have moved on. `idle_since` is set while it rests between requests, `stalled_since` while
    it waits for its client in the middle of one: to send the rest, to read the response or to close.
    """

    deadline: float | None
    idle_since: float | None
    stalled_since: float | None

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
        self._connections: set[TimedConnection] = set()

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: TimedConnection) -> None:
        """Watch over a connection from now on."""
        self._connections.add(connection)

    def discard(self, connection: TimedConnection) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(connection)

    def sweep(self) -> None:
        """End every connection whose deadline has passed."""
        now = self._seconds()
        for connection in [c for c in self._connections if c.deadline is not None and c.deadline <= now]:
            connection.expire()

    def make_room(self) -> bool:
        """End one connection that waits for its client; returns False if all of them are under review.

        The oldest stalled one goes first, once it is older than any honest client needs. Then the longest idle one.
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
        """End every connection when what was written to it is sent."""
        for connection in list(self._connections):
            connection.loseConnection()

    def end_all(self) -> None:
        """End every connection at once."""
        for connection in list(self._connections):
            connection.expire()
