"""The end of threads at a shutdown."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from authd.daemon.shutdown import THREAD_SECONDS, end_threads


class Pool:
    """A thread pool with one thread."""

    def __init__(self) -> None:
        self.working = [None]
        self.threads = ["thread"]


class Reactor(Clock):
    """A clock with a thread pool."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool()

    def getThreadPool(self) -> Any:
        return self.pool


def test_work_in_threads_is_finished() -> None:
    """The shutdown waits for work that ends in time."""
    reactor = Reactor()
    with capturedLogs() as events:
        ending = Deferred.fromCoroutine(end_threads(reactor))
        reactor.pump([0.1] * 5)
        assert not ending.called
        reactor.pool.working.clear()
        reactor.advance(0.1)
    assert ending.called
    assert reactor.pool.threads == ["thread"]
    assert events == []


def test_a_hanging_thread_is_left() -> None:
    """The shutdown does not wait for a thread that hangs, neither itself nor by Twisted's pool."""
    reactor = Reactor()
    with capturedLogs() as events:
        ending = Deferred.fromCoroutine(end_threads(reactor))
        reactor.pump([0.1] * (int(THREAD_SECONDS * 10) + 2))
    assert ending.called
    assert reactor.pool.threads == []
    assert [event["log_level"].name for event in events] == ["warn"]
