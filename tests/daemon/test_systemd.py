"""Messages to systemd's service manager."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from authd.daemon.systemd import ServiceManager, watchdog_seconds


@pytest.mark.parametrize("abstract", [False, True])
def test_a_message_reaches_the_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    """A message is one datagram to the socket of NOTIFY_SOCKET, which may be abstract."""
    path = f"@{tmp_path}/notify" if abstract else f"{tmp_path}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + path[1:] if abstract else path)
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        service_manager = ServiceManager()
        service_manager.notify("READY=1")
        assert manager.recv(100) == b"READY=1"
        service_manager.close()
        service_manager.notify("STOPPING=1")
        service_manager.close()


def test_without_a_manager_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without NOTIFY_SOCKET, a message is dropped without an error."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    ServiceManager().notify("READY=1")


def test_errors_of_the_manager_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manager that is gone, restarts, or does not read causes neither an error nor a delay."""
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    service_manager = ServiceManager()
    service_manager.notify("READY=1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(5)
        for _ in range(1_000):  # more than the socket's queue holds
            service_manager.notify("WATCHDOG=1")
        assert manager.recv(100) == b"WATCHDOG=1"
    service_manager.close()


def test_watchdog_messages_need_no_free_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without free descriptors still sends its watchdog message."""
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(5)
        service_manager = ServiceManager()

        def no_descriptor(*_: object, **__: object) -> None:
            raise OSError(24, "Too many open files")

        monkeypatch.setattr(socket, "socket", no_descriptor)
        service_manager.notify("WATCHDOG=1")
        assert manager.recv(100) == b"WATCHDOG=1"
        ServiceManager().notify("WATCHDOG=1")
        service_manager.close()


@pytest.mark.parametrize(
    ("microseconds", "process", "seconds"),
    [
        ("30000000", "", 30.0),
        ("30000000", "own", 30.0),
        ("30000000", "1", None),
        ("0", "", None),
        ("", "", None),
        ("-1", "", None),
        ("3 0", "", None),
        ("\u0663", "", None),
    ],
)
def test_the_watchdogs_interval(
    monkeypatch: pytest.MonkeyPatch, microseconds: str, process: str, seconds: float | None
) -> None:
    """The interval is that of the environment, if it is a number and meant for this process."""
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    if process:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if process == "own" else process)
    else:
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
    assert watchdog_seconds() == seconds
