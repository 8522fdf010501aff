"""The daemon notifies the service manager during faults, and survives signals during its start."""

from __future__ import annotations

import resource
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from authd.emulator.directory.sample import ALICE_KEY
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.polling import GENEROUS_SECONDS, wait_until
from tests.trouble.rig.process import Usage
from tests.trouble.rig.reading import LET_IN, outcome

_LEFT, _GREEDY = 5, 60


def test_watchdog_notifications_without_descriptors(make_daemon: Callable[..., DaemonProcess], tmp_path: Path) -> None:
    """Without free descriptors the daemon still sends watchdog notifications, so that it is not killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard, ExitStack() as stack:
        heard.bind(str(tmp_path / "notify"))
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000"}
        daemon = stack.enter_context(make_daemon(process={"environment": environment}))
        pid = daemon.process.pid
        limit = Usage.of(pid).descriptors + _LEFT
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, limit))
        greedy = (socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(_GREEDY))
        connections = [stack.enter_context(connection) for connection in greedy]
        wait_until(lambda: Usage.of(pid).descriptors >= limit - 1, "the descriptors to be used up")
        heard.settimeout(0)
        while _waiting(heard):
            pass
        heard.settimeout(GENEROUS_SECONDS)
        assert [heard.recv(100) for _ in range(5)] == [b"WATCHDOG=1"] * 5
        assert Usage.of(pid).descriptors >= limit - 1
        daemon.wait_for_message("file descriptors are exhausted")
        for connection in connections:
            connection.close()
        daemon.wait_for_message("file descriptors are available again")
        assert "Traceback" not in daemon.said()


def _waiting(heard: socket.socket) -> bytes:
    try:
        return heard.recv(100)
    except BlockingIOError:
        return b""


def test_a_service_manager_that_is_gone(
    make_daemon: Callable[..., DaemonProcess], new_token: Callable[..., str], tmp_path: Path
) -> None:
    """If the service manager is gone, the daemon continues to serve and shuts down normally."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(path))
        environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "300000"}
        daemon = make_daemon(process={"environment": environment}).start()
        heard.settimeout(GENEROUS_SECONDS)
        assert heard.recv(100) == b"READY=1"
        assert heard.recv(100) == b"WATCHDOG=1"
    path.unlink()
    for _ in range(3):
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
    daemon.stop()
    assert daemon.ended_well()
    assert "Traceback" not in daemon.said()


def test_hang_ups_during_the_start(make_daemon: Callable[..., DaemonProcess], new_token: Callable[..., str]) -> None:
    """After its first output, SIGHUPs don't end the daemon, even many before the port is open."""
    daemon = make_daemon().launch()
    wait_until(daemon.said, "the first word")
    listening = threading.Event()

    def storm() -> None:
        while not listening.wait(0.001):
            daemon.process.send_signal(signal.SIGHUP)

    storming = threading.Thread(target=storm)
    storming.start()
    try:
        event = daemon.wait_for_message("listening on https://")
    finally:
        listening.set()
        storming.join()
    daemon.port = event["port"]
    assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
    daemon.stop()
    assert daemon.ended_well()
