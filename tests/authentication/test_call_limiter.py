"""Who may call STS now."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from authd.authentication.call_limiter import KNOWN_SECONDS, MOST_WAITING, QUEUE_SECONDS, CallLimiter, Permit
from authd.core.caller_identity import CallerIdentity
from authd.core.errors import DenialReason, Denied, Unavailable, UnavailableReason
from authd.core.token import PresignedRequest
from tests.daemon.fakes import identity

IDENTITY = identity()
REFUSED = Denied(DenialReason.UNKNOWN_ACCESS_KEY, "no such key")
FAILED = Unavailable(UnavailableReason.STS_TIMEOUT, "late")


def presigned(key: str, number: int = 0) -> PresignedRequest:
    return PresignedRequest(
        host="sts.us-east-1.amazonaws.com",
        region="us-east-1",
        access_key_id=key,
        credentials=f"credentials of {key}",
        date=0,
        digest=f"{key}-{number}",
        target="/",
    )


def enter(limiter: CallLimiter, key: str) -> Deferred[Permit]:
    return Deferred.fromCoroutine(limiter.acquire(presigned(key)))


def placed(entering: Deferred[Permit]) -> Permit:
    results: list[Permit] = []
    entering.addCallback(results.append)
    assert results, "still waiting"
    return results[0]


def refusal(entering: Deferred[Permit]) -> Unavailable:
    failures: list[Unavailable] = []
    entering.addErrback(lambda failure: failures.append(failure.value))
    assert failures, "not refused"
    return failures[0]


def confirm(limiter: CallLimiter, key: str) -> None:
    limiter.release(placed(enter(limiter, key)), IDENTITY)


def test_calls_in_flight_are_bounded_and_the_next_one_waits_its_turn() -> None:
    """Over the bound a call waits, and gets the place of the first that ends."""
    limiter = CallLimiter(clock=Clock(), concurrency=2)
    first, _ = placed(enter(limiter, "A")), placed(enter(limiter, "B"))
    third = enter(limiter, "C")
    assert (limiter.in_flight, limiter.waiting) == (2, 1)
    limiter.release(first, IDENTITY)
    assert placed(third).request.access_key_id == "C"
    assert (limiter.in_flight, limiter.waiting) == (2, 0)


def test_the_queue_is_bounded_too() -> None:
    """So many may wait; one more is refused at once."""
    limiter = CallLimiter(clock=Clock(), concurrency=1)
    placed(enter(limiter, "A"))
    waiting = [enter(limiter, "B") for _ in range(MOST_WAITING)]
    assert refusal(enter(limiter, "C")).reason is UnavailableReason.OVERLOADED
    assert limiter.waiting == MOST_WAITING
    for call in waiting:
        call.addErrback(lambda _: None).cancel()


def test_nobody_waits_longer_than_a_second() -> None:
    """A call whose turn doesn't come is refused, and leaves the queue."""
    clock = Clock()
    limiter = CallLimiter(clock=clock, concurrency=1)
    held = placed(enter(limiter, "A"))
    late = enter(limiter, "B")
    clock.advance(QUEUE_SECONDS)
    assert refusal(late).reason is UnavailableReason.OVERLOADED
    assert limiter.waiting == 0
    limiter.release(held, IDENTITY)
    assert limiter.in_flight == 0
    assert clock.getDelayedCalls() == []


def test_known_callers_have_places_that_strangers_cannot_take() -> None:
    """With every common place taken by strangers, a caller that STS confirmed gets in at once."""
    limiter = CallLimiter(clock=Clock(), concurrency=4)
    confirm(limiter, "KNOWN")
    for number in range(4):
        placed(enter(limiter, f"STRANGER{number}"))
    stranger = enter(limiter, "STRANGER")
    assert placed(enter(limiter, "KNOWN")).known
    assert not stranger.called
    stranger.addErrback(lambda _: None).cancel()


def test_known_callers_go_first_when_they_have_to_wait() -> None:
    """A place that comes free goes to the known caller, however long strangers have waited."""
    limiter = CallLimiter(clock=Clock(), concurrency=1)
    confirm(limiter, "KNOWN")
    held = [placed(enter(limiter, "STRANGER")), placed(enter(limiter, "KNOWN"))]
    stranger, known = enter(limiter, "OTHER"), enter(limiter, "KNOWN")
    limiter.release(held[0], REFUSED)
    assert placed(known).known
    assert not stranger.called
    stranger.addErrback(lambda _: None).cancel()


def test_one_known_key_cannot_take_all_places_of_the_fast_lane() -> None:
    """Beyond its few places a known key is a stranger: knowing somebody's key id gains no more than that."""
    limiter = CallLimiter(clock=Clock(), concurrency=100)
    confirm(limiter, "KNOWN")
    places = [placed(enter(limiter, "KNOWN")) for _ in range(9)]
    assert [place.known for place in places] == [True] * 8 + [False]
    limiter.release(places[0], IDENTITY)
    assert placed(enter(limiter, "KNOWN")).known


def test_a_key_is_known_for_a_quarter_of_an_hour() -> None:
    """STS's word for a key ages."""
    clock = Clock()
    limiter = CallLimiter(clock=clock, concurrency=4)
    confirm(limiter, "KNOWN")
    clock.advance(KNOWN_SECONDS - 1)
    assert placed(enter(limiter, "KNOWN")).known
    clock.advance(1)
    assert not placed(enter(limiter, "KNOWN")).known


def test_refusals_by_sts_use_up_a_keys_budget_which_time_refills() -> None:
    """A client that repeats refused tokens of one key is held back, and nobody else is."""
    clock = Clock()
    limiter = CallLimiter(clock=clock, concurrency=4)
    for _ in range(20):
        limiter.release(placed(enter(limiter, "WRONG")), REFUSED)
    assert refusal(enter(limiter, "WRONG")).reason is UnavailableReason.OVERLOADED
    limiter.release(placed(enter(limiter, "OTHER")), IDENTITY)
    clock.advance(1)
    limiter.release(placed(enter(limiter, "WRONG")), REFUSED)
    assert refusal(enter(limiter, "WRONG")).reason is UnavailableReason.OVERLOADED


def test_a_flood_of_invented_keys_uses_up_the_strangers_budget_alone() -> None:
    """When strangers have been refused too often, known callers don't notice."""
    clock = Clock()
    limiter = CallLimiter(clock=clock, concurrency=4)
    confirm(limiter, "KNOWN")
    for number in range(1_000):
        limiter.release(placed(enter(limiter, f"INVENTED{number}")), REFUSED)
    assert "unknown access keys" in refusal(enter(limiter, "INVENTED")).message
    assert placed(enter(limiter, "KNOWN")).known
    clock.advance(0.01)
    placed(enter(limiter, "NEW"))


@pytest.mark.parametrize("outcome", [IDENTITY, FAILED])
def test_only_refusals_cost_budget(outcome: CallerIdentity | Unavailable) -> None:
    """Confirmed callers and STS's own trouble cost nothing."""
    limiter = CallLimiter(clock=Clock(), concurrency=4)
    for _ in range(2_000):
        limiter.release(placed(enter(limiter, "SAME")), outcome)
    placed(enter(limiter, "SAME"))


def test_what_is_kept_of_keys_is_bounded() -> None:
    """A flood of keys, refused or confirmed, does not grow without end."""
    clock = Clock()
    limiter = CallLimiter(clock=clock, concurrency=4)
    for number in range(9_000):
        clock.advance(1)
        limiter.release(placed(enter(limiter, f"BAD{number}")), REFUSED)
        confirm(limiter, f"GOOD{number}")
    assert len(limiter._known) == len(limiter._keys) == 8_192
    assert limiter._known_in_flight == {}


def test_another_session_of_the_same_key_has_a_budget_of_its_own() -> None:
    """Forgeries under the ID of a session's key don't hold back the session: the session token is another one."""
    limiter = CallLimiter(clock=Clock(), concurrency=4)
    forged = presigned("ASIAROLE00000000")._replace(credentials="another session token")
    for _ in range(20):
        limiter.release(placed(Deferred.fromCoroutine(limiter.acquire(forged))), REFUSED)
    assert refusal(Deferred.fromCoroutine(limiter.acquire(forged))).reason is UnavailableReason.OVERLOADED
    assert placed(enter(limiter, "ASIAROLE00000000"))


def test_who_waits_is_drawn_at_random() -> None:
    """The last one in a full queue may be the next: a flood can't decide who is served."""
    served = set()
    for _ in range(200):
        limiter = CallLimiter(clock=Clock(), concurrency=1)
        first = placed(enter(limiter, "A"))
        waiting = {name: enter(limiter, name) for name in "BCD"}
        limiter.release(first, IDENTITY)
        (chosen,) = [name for name, permit in waiting.items() if permit.called]
        served.add(chosen)
        for permit in waiting.values():
            permit.addErrback(lambda _: None)
            permit.cancel()
    assert served == {"B", "C", "D"}
