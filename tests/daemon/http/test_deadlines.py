"""Absolute deadlines, checked periodically."""

from __future__ import annotations

from twisted.internet.task import Clock

from authd.daemon.http.deadlines import Deadlines


class Connection:
    """A connection that counts its ends."""

    def __init__(
        self, deadline: float | None = None, idle_since: float | None = None, stalled_since: float | None = None
    ) -> None:
        self.deadline = deadline
        self.idle_since = idle_since
        self.stalled_since = stalled_since
        self.expired = 0
        self.closed = 0

    def loseConnection(self) -> None:
        self.closed += 1

    def expire(self) -> None:
        self.expired += 1
        self.idle_since = self.stalled_since = None


def with_connections(*connections: Connection) -> tuple[Clock, Deadlines]:
    clock = Clock()
    deadlines = Deadlines(clock.seconds)
    for connection in connections:
        deadlines.add(connection)
    return clock, deadlines


def test_only_expired_connections_are_closed() -> None:
    """Only connections with an expired deadline are closed."""
    due, later, never = Connection(5.0), Connection(5.1), Connection(None)
    clock, deadlines = with_connections(due, later, never)
    clock.advance(4.9)
    deadlines.sweep()
    assert (due.expired, later.expired, never.expired) == (0, 0, 0)
    clock.advance(0.1)
    deadlines.sweep()
    assert (due.expired, later.expired, never.expired) == (1, 0, 0)


def test_the_longest_idle_connection_makes_room() -> None:
    """The longest idle connection is closed first, then the next. Busy connections stay."""
    young, old, busy = Connection(idle_since=3.0), Connection(idle_since=1.0), Connection()
    _, deadlines = with_connections(young, old, busy)
    assert deadlines.make_room()
    assert (young.expired, old.expired) == (0, 1)
    assert deadlines.make_room()
    assert (young.expired, old.expired) == (1, 1)
    assert not deadlines.make_room()
    assert busy.expired == 0


def test_a_stalled_connection_makes_room_before_an_idle_one() -> None:
    """The oldest stalled connection is closed before an idle one. A recently stalled one is closed only if none is idle."""
    idle, old, young = Connection(idle_since=0.0), Connection(stalled_since=1.0), Connection(stalled_since=9.9)
    clock, deadlines = with_connections(idle, old, young, Connection())
    clock.advance(10.0)
    ended = []
    while deadlines.make_room():
        ended.append((old.expired, idle.expired, young.expired))
    assert ended == [(1, 0, 0), (1, 1, 0), (1, 1, 1)]


def test_connections_may_be_removed_while_others_are_closed() -> None:
    """A connection that is removed while another is being closed does no harm."""
    clock, deadlines = with_connections()

    class Leaving(Connection):
        def expire(self) -> None:
            super().expire()
            deadlines.discard(self)

    leaving = [Leaving(1.0), Leaving(1.0)]
    for connection in leaving:
        deadlines.add(connection)
    clock.advance(1)
    deadlines.sweep()
    assert [connection.expired for connection in leaving] == [1, 1]
    assert len(deadlines) == 0
    deadlines.end_all()


def test_all_connections_are_closed_at_shutdown() -> None:
    """At shutdown every connection is closed, then aborted, with or without a deadline."""
    connections = [Connection(1.0), Connection(None), Connection(idle_since=1.0)]
    _, deadlines = with_connections(*connections)
    deadlines.close_all()
    assert [(connection.closed, connection.expired) for connection in connections] == [(1, 0)] * 3
    deadlines.end_all()
    assert [(connection.closed, connection.expired) for connection in connections] == [(1, 1)] * 3
