"""Floods at a slow STS: known users log in all the same."""

from __future__ import annotations

import secrets
import string
import threading
from collections import Counter
from collections.abc import Callable

from authd.authentication.circuit_breaker import FAILURES_TO_OPEN
from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY
from authd.emulator.faults.plan import Fault
from authd.emulator.process import EmulatorProcess
from tests.integration.rig.daemon import DaemonProcess
from tests.trouble.rig.crowd import Crowd
from tests.trouble.rig.reading import LET_IN, OPEN, outcome

UNKNOWN = (200, "unknown_access_key")
OVERLOADED = (429, "overloaded")
FLOOD = 200
STRANGERS = 40


def invented_key() -> tuple[str, str]:
    letters = string.ascii_uppercase + string.digits
    return "AKIA" + "".join(secrets.choice(letters) for _ in range(16)), secrets.token_urlsafe(30)


def test_known_users_get_in_while_strangers_flood(
    make_daemon: Callable[..., DaemonProcess],
    sts: dict[str, object],
    emulator: EmulatorProcess,
    new_token: Callable[..., str],
) -> None:
    """While invented keys take up every common call to a slow STS, each review of a known user lets her in."""
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


def test_one_keys_forgeries_use_up_only_its_own_budget(
    make_daemon: Callable[..., DaemonProcess], emulator: EmulatorProcess, new_token: Callable[..., str]
) -> None:
    """Many forgeries of one unknown key are turned away after some, and neither others nor STS feel the rest."""
    key = invented_key()
    before = emulator.counters().requests
    with make_daemon() as daemon, daemon.client() as client:
        told = Counter(outcome(client.review(new_token(key))) for _ in range(60))
        assert set(told) == {UNKNOWN, OVERLOADED}
        assert emulator.counters().requests - before == told[UNKNOWN] < 60
        assert outcome(client.review(new_token(invented_key()))) == UNKNOWN
        assert outcome(client.review(new_token(ALICE_KEY))) == LET_IN


def test_identities_that_are_unknown_here_open_no_circuit(
    make_daemon: Callable[..., DaemonProcess], emulator: EmulatorProcess, new_token: Callable[..., str]
) -> None:
    """Anybody can sign as a principal that can't be mapped: however often STS confirms one, everybody else gets in."""
    with make_daemon() as daemon, daemon.client() as client:
        emulator.inject(Fault.WRONG_PARTITION, times=30)
        told = Counter(outcome(client.review(new_token(BOB_KEY))) for _ in range(30))
        assert set(told) <= {(200, "unsupported_identity"), OVERLOADED}
        assert told[200, "unsupported_identity"] > FAILURES_TO_OPEN
        emulator.clear()
        assert outcome(client.review(new_token(ALICE_KEY))) == LET_IN
