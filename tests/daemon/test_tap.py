"""The daemon as a service: start, shutdown and failed starts."""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, capturedLogs, formatEvent
from twisted.python.components import Componentized

from authd.daemon import tap
from authd.daemon.command_line.options import Options
from authd.daemon.net.shared_resolver import SharedResolver
from authd.daemon.tap import AuthdService, makeService
from authd.state.certificate_store import StateFiles

WEBHOOK, HEALTH = 21_362, 21_363
GOOD = "clusterID: prod\nserver:\n  mapUsers:\n  - userARN: arn:aws:iam::111122223333:user/alice\n    username: alice\n"


class Port:
    """A port that closes one reactor turn after the request."""

    def __init__(self, reactor: Reactor, number: int, interface: str) -> None:
        self._reactor = reactor
        self._number = number
        self._interface = interface

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", self._interface, self._number)

    def stopListening(self) -> Deferred[None]:
        self._reactor.events.append(f"close {self._number}")
        closed: Deferred[None] = Deferred()
        self._reactor.callLater(0, closed.callback, None)
        return closed


class Reactor(MemoryReactorClock):
    """Records the order of events. It keeps its own clock, even if `seconds` is replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []
        self.taken: dict[int, Exception] = {}
        self.given: Callable[[], float] | None = None

    @property
    def seconds(self) -> Callable[[], float]:
        return lambda: self.rightNow

    @seconds.setter
    def seconds(self, clock: Callable[[], float]) -> None:
        self.given = clock

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        if port in self.taken:
            raise self.taken[port]
        assert interface, "listens on every address"
        self.events.append(f"open {port}")
        factory.doStart()
        return Port(self, port, interface)

    def suggestThreadPoolSize(self, size: int) -> None:
        self.events.append(f"threads {size}")

    def getThreadPool(self) -> Any:
        return SimpleNamespace(working=[], threads=[])

    def callFromThread(self, work: Any, *arguments: Any) -> None:
        self.callLater(0, work, *arguments)

    def callWhenRunning(self, work: Any, *arguments: Any) -> None:
        self.callLater(0, work, *arguments)

    def removeReader(self, reader: Any) -> None:
        self.events.append("stop watching")
        super().removeReader(reader)


class Daemon:
    """A service in memory, except for its files."""

    def __init__(self, folder: Path) -> None:
        self.reactor = Reactor()
        self.config = folder / "config.yaml"
        self.config.write_text(GOOD)
        self.state = folder / "state"
        self.kubeconfig = folder / "kubeconfig.yaml"
        self.options = Options()
        paths = ["--config", str(self.config), "--state-dir", str(self.state)]
        self.options.parseOptions([*paths, "--generate-kubeconfig", str(self.kubeconfig)])
        self.service = AuthdService(self.reactor, self.options)

    @property
    def events(self) -> list[str]:
        return self.reactor.events

    def start(self) -> None:
        self.service.startService()
        self.reactor.advance(0)

    def failed_start(self) -> tuple[object, list[str]]:
        """Start, and return the exit status and the critical log lines."""
        with capturedLogs() as events, pytest.raises(SystemExit) as ended:
            self.service.startService()
        self.reactor.advance(0)
        return ended.value.code, [formatEvent(event) for event in events if event["log_level"].name == "critical"]

    def stop(self) -> None:
        """Stop, and run the reactor until everything has ended."""
        ended: list[object] = []
        self.service.stopService().addCallback(ended.append)
        self.reactor.pump([0.1] * 50)
        assert ended == [None]


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
    daemon = Daemon(tmp_path)

    class Manager:
        def notify(self, message: str) -> None:
            daemon.events.append(message)

        def close(self) -> None:
            daemon.events.append("farewell")

    monkeypatch.setattr(tap, "ServiceManager", Manager)
    monkeypatch.setattr("gc.freeze", lambda: None)  # the tests' own objects must stay collectable
    yield daemon
    for number, handler in before.items():
        signal.signal(number, handler)


def test_making_the_service_does_no_io(daemon: Daemon) -> None:
    """Making the service does no I/O, so a missing file is not an error yet."""
    daemon.config.unlink()
    assert isinstance(makeService(daemon.options), AuthdService)
    assert daemon.events == []
    assert not daemon.state.exists()
    assert daemon.reactor.getDelayedCalls() == []


def test_ready_is_sent_after_everything_is_set_up(daemon: Daemon) -> None:
    """READY=1 is sent after the certificate, both ports and the kubeconfig, by the running reactor."""
    daemon.service.startService()
    assert [each for each in daemon.events if each.startswith("open")] == [f"open {WEBHOOK}", f"open {HEALTH}"]
    assert daemon.kubeconfig.exists()
    assert StateFiles(folder=daemon.state).certificate.exists()
    assert "READY=1" not in daemon.events
    daemon.reactor.advance(0)
    assert daemon.events[-1] == "READY=1"
    daemon.stop()


def test_timers_use_a_monotonic_clock(daemon: Daemon) -> None:
    """The reactor's clock is monotonic, so setting the wall clock has no effect."""
    daemon.start()
    assert daemon.reactor.given is time.monotonic
    daemon.stop()


def test_look_ups_are_shared(daemon: Daemon) -> None:
    """Many connections to one STS host share one look-up."""
    daemon.start()
    assert isinstance(daemon.reactor.nameResolver, SharedResolver)
    daemon.stop()


def test_garbage_is_collected_again_after_the_start(daemon: Daemon) -> None:
    """Garbage collection is off during the start, and on after it has succeeded or failed."""
    daemon.start()
    assert gc.isenabled()
    daemon.stop()
    daemon.config.write_text("clusterID: [")
    daemon.failed_start()
    assert gc.isenabled()


def test_shutdown_order(daemon: Daemon) -> None:
    """At shutdown the daemon sends STOPPING=1, stops checking files, and closes the health port last."""
    daemon.start()
    del daemon.events[:]
    daemon.stop()
    in_turn = [each for each, _ in groupby(daemon.events)]
    assert in_turn == ["STOPPING=1", "stop watching", f"close {WEBHOOK}", f"close {HEALTH}", "farewell"]
    assert daemon.reactor.getDelayedCalls() == []


def test_a_removed_status_socket_does_not_end_the_shutdown(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the file of the status socket is missing, the rest of the shutdown follows."""

    class StatusPort:
        def stopListening(self) -> Deferred[None]:
            return fail(FileNotFoundError())

    monkeypatch.setattr(tap, "listen_for_status", lambda *_: StatusPort())
    daemon.start()
    daemon.stop()
    assert daemon.events[-1] == "farewell"


def test_watchdog_messages(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the service manager has a watchdog, three messages are sent in its interval, until the shutdown."""
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    daemon.start()
    daemon.reactor.pump([0.5] * 8)
    assert daemon.events.count("WATCHDOG=1") == 4
    daemon.stop()
    count = daemon.events.count("WATCHDOG=1")
    daemon.reactor.pump([1.0] * 5)
    assert daemon.events.count("WATCHDOG=1") == count


def test_broken_settings_exit_with_status_2(daemon: Daemon) -> None:
    """With broken settings the daemon exits with status 2 and one line per error, before a port is opened."""
    daemon.config.write_text("clusterID: prod\nserver: {prot: 1, adress: x}\n")
    status, lines = daemon.failed_start()
    assert status == 2
    assert ["unknown setting" in line for line in lines] == [True, True]
    assert daemon.events == []


def test_a_broken_certificate_exits_before_a_port_is_opened(daemon: Daemon) -> None:
    """Without a usable certificate the daemon exits before a port is opened."""
    daemon.state.mkdir()
    for name in ("cert.pem", "key.pem"):
        (daemon.state / name).write_text("nonsense")
    status, lines = daemon.failed_start()
    assert (status, len(lines)) == (2, 1)
    assert "can't be used" in lines[0]
    assert daemon.events == []


@pytest.mark.parametrize("port", [WEBHOOK, HEALTH])
@pytest.mark.parametrize(
    "error",
    [
        CannotListenError("127.0.0.1", 1, OSError(98, "Address already in use")),
        PermissionError(13, "Permission denied"),
    ],
    ids=["taken", "forbidden"],
)
def test_a_port_that_cannot_be_bound_exits_with_status_1(daemon: Daemon, port: int, error: Exception) -> None:
    """If the webhook's or the health port can't be bound, the daemon exits with status 1 and the reason."""
    daemon.reactor.taken[port] = error
    status, lines = daemon.failed_start()
    assert (status, len(lines)) == (1, 1)
    assert lines[0].startswith("authd can't start: ")
    assert str(error) in lines[0]
    assert "READY=1" not in daemon.events


def test_a_kubeconfig_that_cannot_be_written_exits_with_status_2(daemon: Daemon) -> None:
    """If the kubeconfig can't be written, the daemon exits with status 2, before it is ready."""
    daemon.kubeconfig.mkdir()
    status, lines = daemon.failed_start()
    assert (status, len(lines)) == (2, 1)
    assert "the webhook kubeconfig can't be written" in lines[0]
    assert "READY=1" not in daemon.events


def test_sighup_before_the_start_is_handled_later(daemon: Daemon) -> None:
    """From the construction of the application, SIGHUP no longer ends the process. It is handled after the start."""
    application = Componentized()
    application.addService = lambda _: None
    daemon.service.setServiceParent(application)
    assert application.getComponent(ILogObserver) is not None
    signal.raise_signal(signal.SIGHUP)
    daemon.start()
    daemon.config.unlink()
    signal.raise_signal(signal.SIGHUP)
    with capturedLogs() as events:
        daemon.reactor.pump([0.1] * 5)
    assert "the settings file can't be read" in formatEvent(events[0])
    daemon.stop()


def test_a_clock_jump_is_noticed_within_a_second(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a clock jump, a certificate that is no longer valid is renewed within a second."""
    daemon.start()
    files = StateFiles(folder=daemon.state)
    before = files.certificate.read_bytes()
    daemon.reactor.advance(1.0)
    assert files.certificate.read_bytes() == before
    much_later = time.time() + 200 * 86_400
    monkeypatch.setattr("time.time", lambda: much_later)
    daemon.reactor.advance(1.0)
    assert files.certificate.read_bytes() != before
    daemon.stop()
