"""The handler of SIGHUP."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from authd.daemon.sighup import MIN_INTERVAL_SECONDS, SighupHandler


class Reactor(Clock):
    """A reactor that runs calls from other threads in its next turn."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduled = 0

    def callFromThread(self, work: object) -> None:
        self.scheduled += 1
        self.callLater(0, work)


class Rig:
    """A handler, and the times of its checks."""

    def __init__(self) -> None:
        self.reactor = Reactor()
        self.checks: list[float] = []
        self.handler = SighupHandler(self.reactor, lambda: self.checks.append(self.reactor.seconds()))


@pytest.fixture
def rig() -> Iterator[Rig]:
    before = signal.getsignal(signal.SIGHUP)
    yield Rig()
    signal.signal(signal.SIGHUP, before)


def test_a_signal_causes_one_check_in_the_next_turn(rig: Rig) -> None:
    """The signal handler only schedules. The files are checked once, in the reactor's next turn."""
    rig.handler.install()
    os.kill(os.getpid(), signal.SIGHUP)
    assert rig.checks == []
    rig.reactor.advance(0)
    rig.reactor.advance(10 * MIN_INTERVAL_SECONDS)
    assert rig.checks == [0.0]
    assert not rig.reactor.getDelayedCalls()


def test_many_signals_cause_a_few_checks_and_one_after_the_last(rig: Rig) -> None:
    """A thousand signals cause a few checks, and one after the last of them."""
    for _ in range(10):
        for _ in range(100):
            rig.handler.schedule()
        rig.reactor.advance(MIN_INTERVAL_SECONDS / 4)
    rig.reactor.advance(MIN_INTERVAL_SECONDS)
    assert 2 < len(rig.checks) <= 5
    assert rig.checks[-1] >= 9 * MIN_INTERVAL_SECONDS / 4
    assert rig.reactor.scheduled <= 10
    rig.reactor.advance(10 * MIN_INTERVAL_SECONDS)
    count = len(rig.checks)
    rig.handler.schedule()
    rig.reactor.advance(0)
    assert len(rig.checks) == count + 1
