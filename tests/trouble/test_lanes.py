"""Known users log in during floods at a slow STS."""

from __future__ import annotations

import secrets
import socket
import string
import threading
import time
from collections import Counter
from collections.abc import Callable

from authd.authentication.call_rate import BURST_SECONDS, STRANGERS_BURST_SECONDS, STRANGERS_SHARE
from authd.authentication.circuit_breaker import FAILURES_TO_OPEN
from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY, MALLORY_KEY, OTHER_ACCOUNT
from authd.emulator.faults.plan import Fault
from authd.emulator.process import EmulatorProcess
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.settings import USUAL_USERS, user
from tests.trouble.rig.crowd import Crowd
from tests.trouble.rig.reading import LATE, LET_IN, OPEN, OVERLOADED, outcome

UNKNOWN = (200, "unknown_access_key")
FORGED = (200, "signature_mismatch")
UNMAPPED = (200, "identity_not_mapped")
#: Alice's key ID with another secret key.
FORGER = (ALICE_KEY[0], BOB_KEY[1])
FLOOD = 200
STRANGERS = 40
#: The rate limit for calls to STS in these tests, per second.
RATE = 40
MALLORY = f"arn:aws:iam::{OTHER_ACCOUNT}:user/mallory"


def invented_key() -> tuple[str, str]:
    letters = string.ascii_uppercase + string.digits
    return "AKIA" + "".join(secrets.choice(letters) for _ in range(16)), secrets.token_urlsafe(30)


def test_known_users_get_in_while_strangers_flood(
    make_daemon: Callable[..., DaemonProcess],
    sts: dict[str, object],
    emulator: EmulatorProcess,
    new_token: Callable[..., str],
) -> None:
    """While invented keys use up all common calls to a slow STS, each review of a known user is accepted."""
    flood = [new_token(invented_key()) for _ in range(FLOOD)]
    known = [new_token(key) for _ in range(20) for key in (ALICE_KEY, BOB_KEY)]
    told: Counter[tuple[int, str]] = Counter()
    with make_daemon(sts={**sts, "concurrency": 4, "timeout": "20s"}) as daemon:
        assert [outcome(daemon.review(new_token(key))) for key in (ALICE_KEY, BOB_KEY)] == [LET_IN] * 2
        emulator.inject(Fault.DELAY, seconds=0.2)
        with Crowd(daemon, STRANGERS) as strangers, daemon.client() as friend:
            flooding = threading.Thread(target=lambda: told.update(map(outcome, strangers.ask(flood))))
            flooding.start()
            asked = 0
            while flooding.is_alive() and asked < len(known):
                assert outcome(friend.review(known[asked])) == LET_IN
                asked += 1
            flooding.join()
    assert asked > 3
    assert told[OVERLOADED] > 0, "the strangers did not fill the common lane"
    assert told[UNKNOWN] > 0
    assert set(told) <= {UNKNOWN, OVERLOADED, OPEN}


def test_without_pressure_no_key_is_limited(
    make_daemon: Callable[..., DaemonProcess], emulator: EmulatorProcess, new_token: Callable[..., str]
) -> None:
    """With free slots, each forgery under one key causes a call to STS, and none is rejected because of earlier ones."""
    before = emulator.counters().requests
    with make_daemon() as daemon, daemon.client() as client:
        assert outcome(client.review(new_token(ALICE_KEY))) == LET_IN
        told = Counter(outcome(client.review(new_token(FORGER))) for _ in range(60))
        assert told == {FORGED: 60}
        assert emulator.counters().requests - before == 61


def retry(ask: Callable[[], tuple[int, str]]) -> tuple[int, str]:
    """Retry as kube-apiserver does: after each 429, up to five times in four seconds."""
    answer = ask()
    for pause in (0.5, 0.75, 1.125, 1.6875):
        if answer != OVERLOADED:
            break
        time.sleep(pause)
        answer = ask()
    return answer


def test_forgeries_under_a_users_key_do_not_lock_the_user_out(
    make_daemon: Callable[..., DaemonProcess],
    sts: dict[str, object],
    emulator: EmulatorProcess,
    new_token: Callable[..., str],
) -> None:
    """In a flood under Alice's key, her confirmed token is accepted at every try, and new ones within five tries."""
    flood = [new_token(FORGER) for _ in range(600)]
    confirmed, fresh = new_token(ALICE_KEY), [new_token(key) for _ in range(5) for key in (ALICE_KEY, BOB_KEY)]
    told: Counter[tuple[int, str]] = Counter()
    with make_daemon(sts={**sts, "callsPerSecond": RATE}) as daemon:
        assert [outcome(daemon.review(token)) for token in (confirmed, new_token(BOB_KEY))] == [LET_IN] * 2
        begin, before = time.monotonic(), emulator.counters().requests
        with Crowd(daemon, STRANGERS) as strangers, daemon.client() as friend:
            flooding = threading.Thread(target=lambda: told.update(map(outcome, strangers.ask(flood))))
            flooding.start()
            for token in fresh:
                assert outcome(friend.review(confirmed)) == LET_IN
                assert retry(lambda token=token: outcome(friend.review(token))) == LET_IN
            flooding.join()
        allowed = RATE * (time.monotonic() - begin + BURST_SECONDS)
    assert emulator.counters().requests - before <= allowed
    assert told[OVERLOADED] > 0
    assert set(told) == {FORGED, OVERLOADED}


def test_a_flood_of_unmapped_identities_uses_a_part_of_the_rate(
    make_daemon: Callable[..., DaemonProcess],
    sts: dict[str, object],
    settings: Callable[..., str],
    emulator: EmulatorProcess,
    new_token: Callable[..., str],
) -> None:
    """Valid tokens without a mapping use up only the strangers' budget. Each is cached until the mappings change."""
    flood = [new_token(MALLORY_KEY) for _ in range(600)]
    told: Counter[tuple[int, str]] = Counter()
    with make_daemon(sts={**sts, "callsPerSecond": RATE}) as daemon:
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
        begin, before = time.monotonic(), emulator.counters().requests
        with Crowd(daemon, STRANGERS) as strangers:
            flooding = threading.Thread(target=lambda: told.update(map(outcome, strangers.ask(flood))))
            flooding.start()
            known = 0
            while flooding.is_alive():
                assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
                known += 1
            flooding.join()
        share = RATE * STRANGERS_SHARE * (time.monotonic() - begin + STRANGERS_BURST_SECONDS)
        assert emulator.counters().requests - before - known <= share
        assert set(told) == {UNMAPPED, OVERLOADED}
        again = next(token for token in reversed(flood) if outcome(daemon.review(token)) == UNMAPPED)
        before = emulator.counters().requests
        assert [outcome(daemon.review(again)) for _ in range(5)] == [UNMAPPED] * 5
        assert emulator.counters().requests == before
        mapped = (*USUAL_USERS, user(MALLORY, "mallory"))
        daemon.settings.write_text(settings(sts={**sts, "callsPerSecond": RATE}, users=mapped))
        daemon.wait_for_message("mappings")
        assert outcome(daemon.review(again)) == LET_IN


def _ask_all(daemon: DaemonProcess, tokens: list[str], told: Counter[tuple[int, str]]) -> None:
    with Crowd(daemon, STRANGERS) as crowd:
        told.update(map(outcome, crowd.ask(tokens)))


def test_an_unreachable_host_takes_no_slots_from_others(
    make_daemon: Callable[..., DaemonProcess],
    sts: dict[str, object],
    emulator: EmulatorProcess,
    new_token: Callable[..., str],
) -> None:
    """Other hosts are called while calls to a silent host wait for the timeout, and after its circuit opens."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        way = {"host": "sts.eu-west-1.amazonaws.com", "connect": f"127.0.0.1:{silent.getsockname()[1]}"}
        others = [entry for entry in sts["endpoints"] if entry["host"] != way["host"]]
        keys = [key for _ in range(STRANGERS) for key in (ALICE_KEY, BOB_KEY, MALLORY_KEY)]
        lost = [new_token(key, region="eu-west-1") for key in keys]
        told: Counter[tuple[int, str]] = Counter()
        before, asked = emulator.counters().requests, 0
        with make_daemon(sts={**sts, "concurrency": 4, "endpoints": [*others, way]}) as daemon:
            waiting = threading.Thread(target=_ask_all, args=(daemon, lost, told))
            waiting.start()
            with daemon.client() as friend:
                while waiting.is_alive():
                    assert outcome(friend.review(new_token(ALICE_KEY))) == LET_IN
                    assert outcome(friend.review(new_token(invented_key()))) == UNKNOWN
                    asked += 2
            waiting.join()
    assert emulator.counters().requests - before == asked
    assert set(told) <= {LATE, OPEN, OVERLOADED}
    assert told[LATE] >= 4


def test_unsupported_identities_open_no_circuit(
    make_daemon: Callable[..., DaemonProcess], emulator: EmulatorProcess, new_token: Callable[..., str]
) -> None:
    """A principal of an unsupported type, even if often confirmed by STS, does not keep others from logging in."""
    with make_daemon() as daemon, daemon.client() as client:
        emulator.inject(Fault.WRONG_PARTITION, times=30)
        told = Counter(outcome(client.review(new_token(BOB_KEY))) for _ in range(30))
        assert set(told) <= {(200, "unsupported_identity"), OVERLOADED}
        assert told[200, "unsupported_identity"] > FAILURES_TO_OPEN
        emulator.clear()
        assert outcome(client.review(new_token(ALICE_KEY))) == LET_IN
