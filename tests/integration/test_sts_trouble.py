"""For every fault of STS, kube-apiserver gets the right status, and the next valid token is accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme

from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY
from authd.emulator.faults.plan import Fault, Phase
from authd.emulator.process import EmulatorProcess
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Mint
from tests.integration.rig.polling import wait_until
from tests.integration.rig.settings import REGIONS, UNPROVEN_REGION, settings_text

THROTTLED = (429, "sts_throttled")
FAILED = (502, "sts_error")
BAD = (502, "sts_bad_answer")
UNSUPPORTED = (200, "unsupported_identity")
LOST = (502, "sts_unreachable")
LATE = (504, "sts_timeout")

MATRIX: dict[tuple[Fault, Phase | None], tuple[int, str]] = {
    (Fault.THROTTLE, None): THROTTLED,
    (Fault.REQUEST_LIMIT, None): THROTTLED,
    (Fault.INTERNAL_FAILURE, None): FAILED,
    (Fault.BAD_GATEWAY, None): FAILED,
    (Fault.UNAVAILABLE, None): FAILED,
    (Fault.STALL, Phase.ACCEPT): LATE,
    (Fault.STALL, Phase.HANDSHAKE): LATE,
    (Fault.STALL, Phase.HEADERS): LATE,
    (Fault.STALL, Phase.BODY): LATE,
    (Fault.RESET, Phase.ACCEPT): LOST,
    (Fault.RESET, Phase.HANDSHAKE): LOST,
    (Fault.RESET, Phase.HEADERS): LOST,
    (Fault.RESET, Phase.BODY): LOST,
    (Fault.CLOSE, Phase.ACCEPT): LOST,
    (Fault.CLOSE, Phase.HANDSHAKE): LOST,
    (Fault.CLOSE, Phase.HEADERS): LOST,
    (Fault.CLOSE, Phase.BODY): LOST,
    (Fault.DRIP, None): LATE,
    (Fault.REDIRECT, None): BAD,
    (Fault.GZIP, None): BAD,
    (Fault.GZIP_BOMB, None): BAD,
    (Fault.GARBAGE, None): BAD,
    (Fault.EMPTY, None): BAD,
    (Fault.TRUNCATED, None): LOST,
    (Fault.ENDLESS, None): BAD,
    (Fault.OVERSIZED, None): BAD,
    (Fault.LONG_HEADER, None): BAD,
    (Fault.WRONG_ACCOUNT, None): UNSUPPORTED,
    (Fault.WRONG_PARTITION, None): UNSUPPORTED,
    (Fault.WRONG_TYPES, None): BAD,
    (Fault.XML, None): BAD,
    (Fault.OTHER_ACTION, None): BAD,
    (Fault.DUPLICATE_KEYS, None): BAD,
    (Fault.DEEP_JSON, None): BAD,
    (Fault.UTF16, None): BAD,
    (Fault.HTTP10, None): BAD,
    (Fault.INFORMATIONAL, None): BAD,
    (Fault.UNENDED_CHUNKS, None): LOST,
    (Fault.TWO_ANSWERS, None): BAD,
}


@pytest.fixture(scope="module")
def impatient_daemon(
    tmp_path_factory: pytest.TempPathFactory, evidence: Evidence, sts: dict[str, Any]
) -> Iterator[DaemonProcess]:
    """Run a daemon with an STS timeout of one second."""
    daemon = DaemonProcess(tmp_path_factory.mktemp("impatient"), evidence)
    daemon.settings.write_text(settings_text(sts={**sts, "timeout": "1s"}, healthPort=0))
    with daemon:
        yield daemon


@pytest.fixture
def impatient(impatient_daemon: DaemonProcess, emulator: EmulatorProcess) -> DaemonProcess:
    assert impatient_daemon.process.poll() is None, impatient_daemon.said()
    return impatient_daemon


def test_the_matrix_has_every_fault() -> None:
    """The matrix has every fault of the emulator that changes the response."""
    legitimate = {Fault.EXPIRED, Fault.DELAY}
    assert {fault for fault, _ in MATRIX} == set(Fault) - legitimate


@pytest.mark.parametrize(
    "number",
    range(len(MATRIX)),
    ids=[f"{fault.label}-{phase.value}" if phase else fault.label for fault, phase in MATRIX],
)
def test_each_fault_has_its_status(
    daemon: DaemonProcess, impatient: DaemonProcess, emulator: EmulatorProcess, mint: Mint, number: int
) -> None:
    """A fault of STS gives its status and reason without Retry-After, and the next valid token is accepted."""
    fault, phase = list(MATRIX)[number]
    asked = impatient if MATRIX[fault, phase] is LATE else daemon
    # Each has its own host and connections, because a fault at accept affects only new connections.
    region = REGIONS[number % len(REGIONS)]
    emulator.inject(fault, phase=phase, times=1)
    answer = asked.review(mint.by_signer(ALICE_KEY, region=region, expires=100 + number))
    status, reason = MATRIX[fault, phase]
    assert (answer.status, f"[{reason}, " in answer.body.decode()) == (status, True), answer
    assert "Retry-After" not in answer.headers
    event = asked.decision(answer.body.decode().rpartition("reference ")[2].rstrip(']"}\n'))
    verdict = "denied" if MATRIX[fault, phase] is UNSUPPORTED else "unavailable"
    assert (event["decision"], event["reason"], event["status"]) == (verdict, reason, status)
    emulator.clear()
    assert asked.review(mint.by_signer(ALICE_KEY, region=region, expires=200 + number)).user["username"] == "alice"


@pytest.mark.parametrize("fault", [Fault.DELAY, Fault.DRIP])
def test_a_slow_sts_is_waited_for(daemon: DaemonProcess, emulator: EmulatorProcess, mint: Mint, fault: Fault) -> None:
    """A valid response within the timeout is accepted, even if it drips."""
    emulator.inject(fault, times=1, seconds=0.0001 if fault is Fault.DRIP else 0.2)
    assert daemon.review(mint.by_signer(ALICE_KEY)).user["username"] == "alice"


def test_an_sts_with_another_hosts_certificate_gets_no_request(
    daemon: DaemonProcess, emulator: EmulatorProcess, mint: Mint
) -> None:
    """A server without a certificate for the host gets no request, and the review gets 502."""
    asked = emulator.counters().requests
    answer = daemon.review(mint.by_signer(ALICE_KEY, region=UNPROVEN_REGION))
    assert answer.status == 502
    assert b"[sts_unreachable, " in answer.body
    assert emulator.counters().requests == asked


def test_an_sts_of_an_untrusted_ca_gets_no_request(
    make_daemon: Callable[..., DaemonProcess],
    emulator: EmulatorProcess,
    sts: dict[str, Any],
    mint: Mint,
    tmp_path: Path,
) -> None:
    """A server with a certificate of another CA gets no request."""
    asked = emulator.counters().requests
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "stranger.pem"))
    with make_daemon(sts={**sts, "caFile": str(tmp_path / "stranger.pem")}) as daemon:
        assert daemon.review(mint.by_signer(ALICE_KEY)).status == 502
    assert emulator.counters().requests == asked


def test_an_sts_without_a_listener(make_daemon: Callable[..., DaemonProcess], sts: dict[str, Any], mint: Mint) -> None:
    """If no server listens, the review gets 502."""
    endpoints = [{"host": "sts.us-east-1.amazonaws.com", "connect": "127.0.0.1:1"}]
    with make_daemon(sts={**sts, "endpoints": endpoints}) as daemon:
        answer = daemon.review(mint.by_signer(ALICE_KEY))
    assert answer.status == 502
    assert b"[sts_unreachable, " in answer.body


def test_calls_in_flight_are_bounded(
    make_daemon: Callable[..., DaemonProcess], emulator: EmulatorProcess, sts: dict[str, Any], mint: Mint
) -> None:
    """Above the limit a new token is rejected as overload at once, and later ones are accepted."""
    with make_daemon(sts={**sts, "concurrency": 1}) as daemon, ThreadPoolExecutor(1) as pool:
        asked = emulator.counters().requests
        emulator.inject(Fault.DELAY, times=1, seconds=4)
        slow = pool.submit(daemon.review, mint.by_signer(ALICE_KEY))
        wait_until(lambda: emulator.counters().requests > asked, "the slow call")
        refused = daemon.review(mint.by_signer(BOB_KEY))
        assert refused.status == 429
        assert b"[overloaded, " in refused.body
        assert slow.result().user["username"] == "alice"
        assert daemon.review(mint.by_signer(BOB_KEY)).user["username"] == "bob"


def test_identical_tokens_share_one_call(daemon: DaemonProcess, emulator: EmulatorProcess, mint: Mint) -> None:
    """Concurrent reviews of one token cause one call to STS, and each gets its response."""
    asked = emulator.counters().requests
    emulator.inject(Fault.DELAY, times=1, seconds=2)
    token = mint.by_signer(ALICE_KEY, expires=333)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(daemon.review, token)
        wait_until(lambda: emulator.counters().requests > asked, "the first call")
        others = list(pool.map(daemon.review, [token] * 7))
    assert [answer.user["username"] for answer in (first.result(), *others)] == ["alice"] * 8
    assert emulator.counters().requests == asked + 1
