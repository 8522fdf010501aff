"""The wall clock jumps by an hour in either direction: timers and open requests are not affected."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from authd.daemon.certificates.serving_certificate import ServingCertificate
from authd.emulator.directory.sample import ALICE_KEY
from authd.emulator.faults.plan import Fault, Phase
from authd.emulator.process import EmulatorProcess
from authd.state.certificate_store import StateFiles
from authd.state.x509 import AUTHORITY_LIFETIME
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.polling import GENEROUS_SECONDS, wait_until
from tests.trouble.rig.clock import Clock
from tests.trouble.rig.reading import LATE, LET_IN, outcome

HOUR = 3_600.0
JUMPS = pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])


@dataclass
class Supervised:
    """A daemon with its own clock, and its notifications to the service manager."""

    daemon: DaemonProcess
    clock: Clock
    heard: socket.socket

    def wait_for_watchdog(self, count: int) -> None:
        """Wait for a number of watchdog notifications."""
        self.heard.settimeout(0)
        while _received(self.heard):
            pass
        self.heard.settimeout(GENEROUS_SECONDS)
        while count:
            count -= self.heard.recv(100) == b"WATCHDOG=1"


def _received(heard: socket.socket) -> bytes:
    try:
        return heard.recv(100)
    except BlockingIOError:
        return b""


@pytest.fixture
def supervised(make_daemon: Callable[..., DaemonProcess], tmp_path: Path) -> Iterator[Supervised]:
    clock = Clock(tmp_path / "clock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "900000"}
        daemon = make_daemon(process={"launcher": clock.launcher, "environment": environment})
        with daemon:
            yield Supervised(daemon, clock, heard)


@JUMPS
def test_waiting_is_not_affected(
    supervised: Supervised, emulator: EmulatorProcess, new_token: Callable[..., str], jump: float
) -> None:
    """Idle connections, pending reviews, deadlines and watchdog notifications are not affected by a jump."""
    daemon, clock = supervised.daemon, supervised.clock
    with daemon.client() as client, daemon.client() as resting, ThreadPoolExecutor(2) as pool:
        assert outcome(resting.review(new_token(ALICE_KEY))) == LET_IN
        asked = emulator.counters().requests
        emulator.inject(Fault.DELAY, times=1, seconds=1.0)
        under_way = pool.submit(client.review, new_token(ALICE_KEY))
        wait_until(lambda: emulator.counters().requests > asked, "STS to be asked")
        clock.jump_to(jump)
        assert outcome(under_way.result()) == LET_IN
        supervised.wait_for_watchdog(6)  # deadlines are checked every second, so also in between
        emulator.set_clock_offset(jump)
        assert outcome(resting.review(new_token(ALICE_KEY, seconds_ago=-jump))) == LET_IN

        asked = emulator.counters().requests
        emulator.inject(Fault.STALL, phase=Phase.HANDSHAKE, times=1)
        under_way = pool.submit(client.review, new_token(ALICE_KEY, seconds_ago=-jump))
        wait_until(lambda: emulator.counters().requests > asked, "STS to be asked")
        clock.jump_to(0)
        emulator.set_clock_offset(0)
        assert outcome(under_way.result()) == LATE
        assert outcome(resting.review(new_token(ALICE_KEY))) == LET_IN


@JUMPS
def test_files_are_polled_after_a_jump(supervised: Supervised, settings: Callable[..., str], jump: float) -> None:
    """Polling for missed events continues. The file here is a link into another directory."""
    daemon = supervised.daemon
    elsewhere = daemon.folder / "elsewhere.yaml"
    elsewhere.write_text(daemon.settings.read_text())
    count = len(daemon.events())
    link = daemon.settings.with_name("link")
    link.symlink_to(elsewhere)
    link.replace(daemon.settings)
    supervised.wait_for_watchdog(2)
    supervised.clock.jump_to(jump)
    elsewhere.write_text(settings(users=[]))
    daemon.wait_for_message("mappings reloaded: 2 rules", count)


@pytest.mark.parametrize(("jump", "reason"), [(HOUR, "token_expired"), (-HOUR, "token_not_yet_valid")])
def test_a_wrong_clock_is_reported_until_it_is_corrected(
    supervised: Supervised, emulator: EmulatorProcess, new_token: Callable[..., str], jump: float, reason: str
) -> None:
    """With a wrong clock a new token is refused with a fitting message. It is accepted once the clock is right."""
    asked, token = emulator.counters().requests, new_token(ALICE_KEY)
    supervised.clock.jump_to(jump)
    assert outcome(supervised.daemon.review(token)) == (200, reason)
    assert emulator.counters().requests == asked
    supervised.clock.jump_to(0)
    assert outcome(supervised.daemon.review(token)) == LET_IN


def test_a_certificate_issued_by_a_clock_ahead_is_reissued(tmp_path: Path) -> None:
    """A leaf issued while the clock was ahead is replaced by one that is valid now."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    moments = [now]
    pair = ServingCertificate(
        StateFiles(folder=tmp_path), ("localhost",), lambda: moments[-1], client_certificates=False
    )
    pair.load()
    moments.append(now + timedelta(days=365))
    pair.check()
    assert pair.span.begins > now
    moments.append(now)
    assert "not valid before" in pair.problem()
    pair.check()
    assert pair.span.begins <= now
    assert pair.problem() == ""


def test_a_leaf_that_expires_with_its_ca_is_not_reissued_repeatedly(tmp_path: Path) -> None:
    """If a new leaf could not be valid for longer than the current one, it stays, and readiness reports its expiry."""
    moments = [datetime(2026, 3, 1, tzinfo=UTC)]
    files = StateFiles(folder=tmp_path)
    pair = ServingCertificate(files, ("localhost",), lambda: moments[-1], client_certificates=False)
    pair.load()
    moments.append(moments[0] + AUTHORITY_LIFETIME - timedelta(days=3))
    pair.check()
    leaf = files.certificate.read_bytes()
    pair.check()
    assert files.certificate.read_bytes() == leaf
    assert "expires in 3.0 days" in pair.problem()
