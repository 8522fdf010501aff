"""The log's level at run time."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest
from twisted.logger import LogEvent, LogLevel

from authd.daemon.telemetry.log_level import LogFilter


class Reactor:
    """Runs calls from other threads at once."""

    def callFromThread(self, work: Callable[[], None]) -> None:
        work()


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_sigusr1_switches_the_level() -> None:
    """The level goes from info to debug, to warn, and back."""
    passed: list[LogEvent] = []
    log_filter = LogFilter(passed.append)
    log_filter.install(Reactor())
    shown = []
    for _ in range(4):
        passed.clear()
        for level in (LogLevel.debug, LogLevel.info, LogLevel.warn):
            log_filter({"log_level": level})
        shown.append([event["log_level"].name for event in passed])
        signal.raise_signal(signal.SIGUSR1)
    assert shown == [["info", "warn"], ["debug", "info", "warn"], ["warn"], ["info", "warn"]]
