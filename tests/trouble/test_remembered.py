"""Cached verdicts: their tokens, their lifetime, and no caching unless the settings enable it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY
from authd.emulator.faults.plan import Fault, Phase
from authd.emulator.process import EmulatorProcess
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.polling import wait_until
from tests.integration.rig.settings import BOB, user
from tests.trouble.rig.reading import LET_IN, LOST, OPEN, metric, outcome

NOT_MAPPED = (200, "identity_not_mapped")
FAILED = (502, "sts_error")
MISMATCH = (200, "signature_mismatch")
FORGED_KEY = (BOB_KEY[0], "this/is+not/bobs/secret/key/0000000000000")


@pytest.fixture
def asked(emulator: EmulatorProcess) -> Callable[[], int]:
    """Return a function that counts the calls to STS since the test began."""
    before = emulator.counters().requests
    return lambda: emulator.counters().requests - before


@pytest.fixture
def caching(shared_daemon: Callable[..., DaemonProcess], sts: dict[str, object]) -> DaemonProcess:
    return shared_daemon(sts={**sts, "cacheTTL": "10m"})


@pytest.fixture
def lenient(shared_daemon: Callable[..., DaemonProcess], sts: dict[str, object]) -> DaemonProcess:
    return shared_daemon(sts={**sts, "staleIfError": "10m"})


@pytest.fixture
def plain(shared_daemon: Callable[..., DaemonProcess], sts: dict[str, object]) -> DaemonProcess:
    return shared_daemon(sts=sts)


def source(daemon: DaemonProcess, name: str) -> float:
    return metric(daemon, f'authd_identities_total{{source="{name}"}}')


def last_decision(daemon: DaemonProcess) -> dict[str, object]:
    return [event for event in daemon.events() if "decision" in event][-1]


def test_a_cached_identity_costs_one_call(
    caching: DaemonProcess, asked: Callable[[], int], new_token: Callable[..., str]
) -> None:
    """With cacheTTL a repeated token causes one call, and cached decisions are marked. Another token calls STS."""
    token, before = new_token(ALICE_KEY), source(caching, "cache")
    answers = [caching.review(token) for _ in range(5)]
    assert [answer.user["username"] for answer in answers] == ["alice"] * 5
    assert len({str(answer.user) for answer in answers}) == 1
    assert asked() == 1
    assert last_decision(caching)["source"] == "cache"
    assert source(caching, "cache") - before == 4
    assert caching.review(new_token(ALICE_KEY)).user["username"] == "alice"
    assert asked() == 2


def test_a_removed_mapping_takes_effect_at_once(
    caching: DaemonProcess, asked: Callable[[], int], settings: Callable[..., str], new_token: Callable[..., str]
) -> None:
    """A cached identity is refused as soon as its mapping is removed."""
    token = new_token(ALICE_KEY)
    assert outcome(caching.review(token)) == LET_IN
    text = caching.settings.read_text()
    count = len(caching.events())
    caching.settings.write_text(settings(users=[user(BOB, "bob")]))
    caching.wait_for_message("mappings reloaded", count)
    assert outcome(caching.review(token)) == NOT_MAPPED
    count = len(caching.events())
    caching.settings.write_text(text)
    caching.wait_for_message("mappings reloaded", count)
    assert outcome(caching.review(token)) == LET_IN
    assert asked() == 1


def test_a_cached_identity_expires_with_its_token(
    caching: DaemonProcess, asked: Callable[[], int], new_token: Callable[..., str]
) -> None:
    """With any cacheTTL, a token is refused after its quarter of an hour."""
    token = new_token(ALICE_KEY, seconds_ago=900 - 5)
    assert outcome(caching.review(token)) == LET_IN
    wait_until(lambda: outcome(caching.review(token)) == (200, "token_expired"), "the token to expire")
    assert asked() == 1


def test_nothing_is_cached_by_default(
    plain: DaemonProcess, emulator: EmulatorProcess, asked: Callable[[], int], new_token: Callable[..., str]
) -> None:
    """By default each review calls STS, so nobody is accepted while STS is down."""
    token = new_token(ALICE_KEY)
    assert [outcome(plain.review(token)) for _ in range(3)] == [LET_IN] * 3
    assert asked() == 3
    emulator.inject(Fault.INTERNAL_FAILURE)
    assert outcome(plain.review(token)) == FAILED
    assert (source(plain, "cache"), source(plain, "stale")) == (0, 0)


def test_a_confirmed_token_is_accepted_while_sts_is_down(
    lenient: DaemonProcess, emulator: EmulatorProcess, asked: Callable[[], int], new_token: Callable[..., str]
) -> None:
    """With staleIfError only the confirmed token is accepted, and marked in log and metrics."""
    token, of_the_same_key, of_another = new_token(ALICE_KEY), new_token(ALICE_KEY), new_token(BOB_KEY)
    assert outcome(lenient.review(token)) == LET_IN
    assert outcome(lenient.review(token)) == LET_IN
    assert asked() == 2, "while STS is up it is asked"
    before = source(lenient, "stale")
    emulator.inject(Fault.INTERNAL_FAILURE)
    for _ in range(12):  # opens the circuit
        assert lenient.review(token).user["username"] == "alice"
        assert last_decision(lenient)["source"] == "stale"
        assert outcome(lenient.review(of_another)) in (FAILED, OPEN)
    assert outcome(lenient.review(of_the_same_key)) in (FAILED, OPEN)
    assert source(lenient, "stale") - before == 12
    assert metric(lenient, "authd_sts_circuits_open") == 1
    emulator.clear()
    wait_until(lambda: outcome(lenient.review(of_another)) == LET_IN, "the circuit to close")
    assert outcome(lenient.review(token)) == LET_IN
    assert last_decision(lenient)["source"] == "sts"


@pytest.mark.parametrize("how", [Fault.THROTTLE, Fault.TRUNCATED, Fault.GARBAGE])
def test_a_stale_identity_is_the_confirmed_one(
    lenient: DaemonProcess, emulator: EmulatorProcess, new_token: Callable[..., str], how: Fault
) -> None:
    """During any fault of STS, its last verdict about the token applies."""
    token = new_token(BOB_KEY)
    before = lenient.review(token).user
    emulator.inject(how)
    assert lenient.review(token).user == before


def test_a_denial_overrides_an_earlier_confirmation(
    lenient: DaemonProcess, emulator: EmulatorProcess, new_token: Callable[..., str]
) -> None:
    """A token that STS has denied stays denied, even if STS has confirmed it before."""
    token = new_token(ALICE_KEY)
    assert outcome(lenient.review(token)) == LET_IN
    emulator.inject(Fault.EXPIRED, times=1)
    assert outcome(lenient.review(token)) == (200, "credentials_expired")
    emulator.inject(Fault.INTERNAL_FAILURE)
    assert outcome(lenient.review(token)) == (200, "credentials_expired")


def test_a_stale_identity_expires(
    make_daemon: Callable[..., DaemonProcess],
    sts: dict[str, object],
    emulator: EmulatorProcess,
    new_token: Callable[..., str],
) -> None:
    """After the time of staleIfError, a still valid token gets the outage's status."""
    with make_daemon(sts={**sts, "staleIfError": "3s"}) as daemon:
        token = new_token(ALICE_KEY)
        assert outcome(daemon.review(token)) == LET_IN
        emulator.inject(Fault.RESET, phase=Phase.HANDSHAKE)
        wait_until(lambda: outcome(daemon.review(token)) in (LOST, OPEN), "the old word to lapse")
        assert outcome(daemon.review(token)) in (LOST, OPEN)


def test_a_refused_token_costs_one_call(
    plain: DaemonProcess, asked: Callable[[], int], new_token: Callable[..., str]
) -> None:
    """A repeated or concurrent bad token costs one call. Good tokens are not affected."""
    token = new_token(FORGED_KEY)
    with ThreadPoolExecutor(8) as pool:
        assert set(map(outcome, pool.map(plain.review, [token] * 8))) == {MISMATCH}
    assert outcome(plain.review(token)) == MISMATCH
    assert asked() == 1
    assert metric(plain, 'authd_sts_calls_total{outcome="signature_mismatch"}') == 1
    assert outcome(plain.review(new_token(BOB_KEY))) == LET_IN
    assert asked() == 2


def test_a_temporary_failure_is_not_cached(
    plain: DaemonProcess, emulator: EmulatorProcess, new_token: Callable[..., str]
) -> None:
    """After a temporary failure, the next review of the token calls STS again."""
    token = new_token(ALICE_KEY)
    for fault in (Fault.THROTTLE, Fault.GARBAGE, Fault.INTERNAL_FAILURE):
        emulator.inject(fault, times=1)
        assert outcome(plain.review(token)) != LET_IN
        assert outcome(plain.review(token)) == LET_IN
