"""SIGHUP, once and many times."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from authd.daemon.sighup import MIN_INTERVAL_SECONDS, SighupHandler


class Turning(Clock):
    """A reactor that runs calls from other threads in its next turn."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def callFromThread(self, work: object) -> None:
        self.asked += 1
        self.callLater(0, work)


class Looking:
    """Files that count their checks."""

    def __init__(self) -> None:
        self.reactor = Turning()
        self.looks: list[float] = []
        self.handler = SighupHandler(self.reactor, lambda: self.looks.append(self.reactor.seconds()))


@pytest.fixture
def looking() -> Iterator[Looking]:
    before = signal.getsignal(signal.SIGHUP)
    yield Looking()
    signal.signal(signal.SIGHUP, before)


def test_one_is_heeded_at_once_in_the_reactors_own_time(looking: Looking) -> None:
    """The signal handler only schedules. The files are checked once, in the reactor's next turn."""
    looking.handler.install()
    os.kill(os.getpid(), signal.SIGHUP)
    assert looking.looks == []
    looking.reactor.advance(0)
    looking.reactor.advance(10 * MIN_INTERVAL_SECONDS)
    assert looking.looks == [0.0]
    assert not looking.reactor.getDelayedCalls()


def test_a_storm_is_few_looks_and_the_last_signal_counts(looking: Looking) -> None:
    """A thousand signals cause a few checks, and one after the last of them."""
    for _ in range(10):
        for _ in range(100):
            looking.handler.schedule()
        looking.reactor.advance(MIN_INTERVAL_SECONDS / 4)
    looking.reactor.advance(MIN_INTERVAL_SECONDS)
    assert 2 < len(looking.looks) <= 5
    assert looking.looks[-1] >= 9 * MIN_INTERVAL_SECONDS / 4
    assert looking.reactor.asked <= 10
    looking.reactor.advance(10 * MIN_INTERVAL_SECONDS)
    count = len(looking.looks)
    looking.handler.schedule()
    looking.reactor.advance(0)
    assert len(looking.looks) == count + 1
