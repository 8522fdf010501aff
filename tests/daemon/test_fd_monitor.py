"""Exhausted file descriptors are reported."""

from __future__ import annotations

import os

import pytest
from twisted.logger import capturedLogs, formatEvent

from authd.daemon.fd_monitor import DescriptorMonitor


def test_it_is_said_once_and_so_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The problem is one log line, its end another, and there is none in between or without it."""

    def used_up(*_: object) -> None:
        raise OSError(24, "Too many open files")

    descriptors = DescriptorMonitor()
    with capturedLogs() as events:
        descriptors.check()
        with monkeypatch.context() as short:
            short.setattr(os, "open", used_up)
            descriptors.check()
            descriptors.check()
        descriptors.check()
        descriptors.check()
    assert [event["log_level"].name for event in events] == ["error", "info"]
    assert formatEvent(events[0]).startswith("file descriptors are exhausted (limit ")


def test_other_trouble_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /dev/null for the test nothing is known, and nothing is logged."""

    def missing(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "open", missing)
    with capturedLogs() as events:
        DescriptorMonitor().check()
    assert not events
