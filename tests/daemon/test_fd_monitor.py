"""Exhausted file descriptors are reported."""

from __future__ import annotations

import os

import pytest
from twisted.logger import capturedLogs, formatEvent

from authd.daemon.fd_monitor import DescriptorMonitor


def test_exhaustion_and_its_end_are_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exhaustion is one log line, and its end another. There is no other line."""

    def exhausted(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monitor = DescriptorMonitor()
    with capturedLogs() as events:
        monitor.check()
        with monkeypatch.context() as short:
            short.setattr(os, "open", exhausted)
            monitor.check()
            monitor.check()
        monitor.check()
        monitor.check()
    assert [event["log_level"].name for event in events] == ["error", "info"]
    assert formatEvent(events[0]).startswith("file descriptors are exhausted (limit ")


def test_other_errors_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """If /dev/null is missing, nothing is logged."""

    def missing(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "open", missing)
    with capturedLogs() as events:
        DescriptorMonitor().check()
    assert not events
