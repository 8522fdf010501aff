"""Tests of the limits on calls to STS."""

from __future__ import annotations

import sys

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from authd.authentication.call_limiter import MAX_WAITING, QUEUE_SECONDS, CallLimiter
from authd.authentication.call_rate import BURST_SECONDS, STRANGERS_BURST_SECONDS, STRANGERS_SHARE
from authd.authentication.callers import KEY_BURST, MAX_KNOWN_CALLS, Standing, Verdict
from authd.authentication.fair_pool import Permit
from authd.authentication.host_slots import MAX_UNPROVEN, MAX_UNPROVEN_HOSTS
from authd.core.errors import Unavailable, UnavailableReason
from authd.core.token import PresignedRequest
from tests.authentication.permits import HOST, OTHER_HOST, SlowSTS, acquire, call, granted, presigned, refused

RATE = 300
PLENTY = 1_000_000


def make(concurrency: int = 4, rate: float = PLENTY) -> tuple[Clock, CallLimiter]:
    clock = Clock()
    return clock, CallLimiter(clock=clock, concurrency=concurrency, rate=rate)


def fill(limiter: CallLimiter, count: int, host: str = HOST) -> list[Permit]:
    """Start strangers' calls, as many as `count`, and return their permits."""
    return [granted(acquire(limiter, presigned(f"STRANGER{number}", host=host))) for number in range(count)]


def test_calls_in_flight_are_bounded() -> None:
    """Over the limit a call waits, and takes the slot of the first one that ends."""
    _, limiter = make(concurrency=2)
    first, _ = fill(limiter, 2)
    third = acquire(limiter, presigned("C"))
    assert (limiter.in_flight, limiter.waiting) == (2, 1)
    limiter.release(first, Verdict.MAPPED)
    assert granted(third).request.access_key_id == "C"
    assert (limiter.in_flight, limiter.waiting) == (2, 0)


def test_waiting_calls_are_bounded() -> None:
    """If too many calls wait, one of them is rejected at once."""
    _, limiter = make(concurrency=1)
    fill(limiter, 1)
    waiting = [acquire(limiter, presigned("B", number)) for number in range(MAX_WAITING)]
    assert not any(map(refused, waiting))
    waiting.append(acquire(limiter, presigned("C")))
    assert sum(map(refused, waiting)) == 1
    assert limiter.waiting == MAX_WAITING
    assert not refused(waiting[-1]), "the key with the most calls must give way"


def test_the_bound_is_for_all_hosts_together() -> None:
    """Over the limit, a call of the host with the most waiting calls is rejected: a flood affects its own host."""
    _, limiter = make(concurrency=1)
    for host in (HOST, OTHER_HOST):
        fill(limiter, 1, host)
    flood = [acquire(limiter, presigned("A", number)) for number in range(MAX_WAITING)]
    others = [acquire(limiter, presigned("B", number, OTHER_HOST)) for number in range(10)]
    assert sum(map(refused, flood)) == 10
    assert not any(map(refused, others))


def test_a_wait_ends_after_a_second() -> None:
    """A call that gets no slot within a second is rejected as `overloaded`, and frees its memory."""
    clock, limiter = make(concurrency=1)
    (held,) = fill(limiter, 1)
    late = acquire(limiter, presigned("B"))
    clock.advance(QUEUE_SECONDS)
    assert isinstance(late.result, Unavailable)
    assert late.result.reason is UnavailableReason.OVERLOADED
    limiter.release(held, Verdict.MAPPED)
    assert (limiter.in_flight, limiter.waiting) == (0, 0)
    clock.advance(1)
    assert clock.getDelayedCalls() == []


def test_a_cancelled_wait_leaves_the_pool() -> None:
    """A review that is cancelled while it waits takes no slot later."""
    _, limiter = make(concurrency=1)
    (held,) = fill(limiter, 1)
    waiting = Deferred.fromCoroutine(limiter.acquire(presigned("B")))
    waiting.addErrback(lambda _: None)
    waiting.cancel()
    assert limiter.waiting == 0
    limiter.release(held, Verdict.FAILED)
    assert limiter.in_flight == 0


def test_known_users_have_slots_that_strangers_cannot_take() -> None:
    """If strangers have all common slots, a known user's new token starts at once."""
    _, limiter = make()
    call(limiter, presigned("KNOWN"))
    fill(limiter, 4)
    stranger = acquire(limiter, presigned("STRANGER"))
    assert granted(acquire(limiter, presigned("KNOWN", 1))).known
    assert not stranger.called


def test_known_users_go_first() -> None:
    """A free slot goes to a known user, however long strangers have waited."""
    _, limiter = make(concurrency=1)
    call(limiter, presigned("KNOWN"))
    (held,) = fill(limiter, 1)
    granted(acquire(limiter, presigned("KNOWN", 1)))
    stranger, known = acquire(limiter, presigned("OTHER")), acquire(limiter, presigned("KNOWN", 2))
    limiter.release(held, Verdict.REFUSED)
    assert granted(known).known
    assert not stranger.called


def test_a_confirmed_token_starts_at_once() -> None:
    """Neither strangers' nor forgers' calls, in flight or waiting, delay a token that STS has confirmed."""
    _, limiter = make()
    call(limiter, presigned("KNOWN"))
    for number in range(int(KEY_BURST)):
        call(limiter, presigned("KNOWN", -1 - number), Verdict.REFUSED)
    calls = [acquire(limiter, presigned("KNOWN", 1 + number)) for number in range(600)]
    calls += [acquire(limiter, presigned(f"STRANGER{number}")) for number in range(600)]
    assert any(map(refused, calls))
    assert granted(acquire(limiter, presigned("KNOWN"))).standing is Standing.CONFIRMED


def test_one_known_key_has_few_calls_in_the_known_lane() -> None:
    """Further calls of the key are in the common lane, so a forger can't take the slots of all known users."""
    _, limiter = make(concurrency=100)
    call(limiter, presigned("KNOWN"))
    permits = [granted(acquire(limiter, presigned("KNOWN", 1 + number))) for number in range(MAX_KNOWN_CALLS + 1)]
    assert [permit.standing for permit in permits] == [Standing.KNOWN] * MAX_KNOWN_CALLS + [Standing.STRAINED]
    limiter.release(permits[0], Verdict.FAILED)
    assert granted(acquire(limiter, presigned("KNOWN", 100))).known


def test_a_rejected_call_leaves_the_known_lane() -> None:
    """Rejected calls of a known user don't count any longer."""
    clock, limiter = make(concurrency=1)
    call(limiter, presigned("KNOWN"))
    held = [granted(acquire(limiter, presigned("KNOWN", 1 + number))) for number in range(2)]
    for number in range(3):
        late = acquire(limiter, presigned("KNOWN", 10 + number))
        clock.advance(QUEUE_SECONDS)
        assert refused(late)
    for permit in held:
        limiter.release(permit, Verdict.FAILED)
    permits = [acquire(limiter, presigned("KNOWN", 100 + number)) for number in range(2)]
    assert all(granted(permit).known for permit in permits)


def test_without_load_no_key_is_limited() -> None:
    """With free slots and no throttling, every call starts at once, however often STS has refused the key."""
    _, limiter = make(rate=PLENTY)
    call(limiter, presigned("KNOWN"))
    for number in range(1, 500):
        call(limiter, presigned("KNOWN", number), Verdict.REFUSED)
        call(limiter, presigned("UNKNOWN", number), Verdict.REFUSED)


def judge(request: PresignedRequest) -> Verdict:
    """Return STS's verdict on the tokens of these tests."""
    if request.access_key_id.startswith("UNMAPPED"):
        return Verdict.UNMAPPED
    return Verdict.REFUSED if request.digest.endswith("forged") else Verdict.MAPPED


def forged(key: str, number: int) -> PresignedRequest:
    return presigned(key)._replace(digest=f"{key}-{number}-forged")


def test_a_flood_under_a_known_key_does_not_lock_its_owner_out() -> None:
    """Among 1,400 forgeries a second under a user's key, her new tokens pass within kube-apiserver's retries."""
    clock, limiter = make(concurrency=64, rate=RATE)
    sts = SlowSTS(clock, limiter, judge)
    sts.review(presigned("ALICE"))
    clock.advance(0.05)
    fresh: list[Deferred[Verdict | None]] = []
    for step in range(350):  # seven seconds
        for number in range(28):
            sts.review(forged("ALICE", step * 28 + number))
        if 50 < step < 120:
            fresh.append(Deferred.fromCoroutine(sts.retry(presigned("ALICE", 1 + step))))
            calls = sts.calls
            sts.review(presigned("ALICE"))
            assert sts.calls == calls + 1, "a confirmed token had to wait"
        clock.advance(0.02)
    verdicts = [each.result for each in fresh if each.called]
    assert len(verdicts) == len(fresh)
    assert verdicts.count(Verdict.MAPPED) >= 0.9 * len(fresh)
    assert sts.calls <= RATE * (7 + BURST_SECONDS)


def test_strangers_waste_only_a_part_of_the_rate() -> None:
    """Unknown keys and unmapped identities get a third of the rate. Known users are not affected."""
    clock, limiter = make(concurrency=64, rate=RATE)
    sts = SlowSTS(clock, limiter, judge)
    sts.review(presigned("ALICE"))
    clock.advance(0.05)
    for step in range(750):  # fifteen seconds
        for number in range(5):
            sts.review(forged(f"INVENTED{step}-{number}", number))
            sts.review(presigned(f"UNMAPPED{step}-{number}"))
        if step % 10 == 0:
            calls = sts.calls
            sts.review(presigned("ALICE", 1 + step))
            assert sts.calls == calls + 1, "a known user had to wait"
        clock.advance(0.02)
    known_calls, burst = 76, RATE * STRANGERS_SHARE * STRANGERS_BURST_SECONDS
    assert sts.calls - known_calls <= RATE * STRANGERS_SHARE * 15 + burst


def test_the_total_rate_is_bounded_and_parts_of_it_reserved() -> None:
    """Strangers leave a part of the burst to known users, who leave one to confirmed tokens. The rate bounds all."""
    clock, limiter = make(concurrency=1_000, rate=100)
    sts = SlowSTS(clock, limiter, lambda request: Verdict.FAILED if "NEW" in request.digest else Verdict.MAPPED, 60)
    for number in range(30):
        call(limiter, presigned(f"KNOWN{number}"))
    clock.advance(10)
    for number in range(300):
        sts.review(presigned(f"NEW{number}"))
    assert sts.calls == 100
    for number in range(30 * 8):
        sts.review(presigned(f"KNOWN{number % 30}", 1 + number))
    assert sts.calls == 150
    for number in range(30):
        sts.review(presigned(f"KNOWN{number}"))
    assert sts.calls == 180
    clock.advance(0.9)
    assert 180 <= sts.calls <= 100 * BURST_SECONDS + 90


def test_throttling_limits_strangers_for_a_second() -> None:
    """After STS throttles, strangers have one slot of the host. Known users and other hosts keep theirs."""
    clock, limiter = make()
    call(limiter, presigned("KNOWN"))
    call(limiter, presigned("A"), Verdict.THROTTLED)
    held = granted(acquire(limiter, presigned("A", 1)))
    waiting = acquire(limiter, presigned("B"))
    assert not waiting.called
    assert granted(acquire(limiter, presigned("KNOWN", 1)))
    assert granted(acquire(limiter, presigned("C", host=OTHER_HOST)))
    clock.advance(0.9)
    assert not waiting.called
    clock.advance(0.1)
    assert granted(waiting)
    limiter.release(held, Verdict.MAPPED)


def test_a_slow_host_takes_no_slots_from_others() -> None:
    """If every slot of one host is taken, strangers' and known users' calls to another host start at once."""
    _, limiter = make(concurrency=16)
    for host in (HOST, OTHER_HOST):
        call(limiter, presigned("KNOWN", 0, host))
    fill(limiter, 16)
    waiting = [acquire(limiter, presigned(f"MORE{number}")) for number in range(100)]
    assert not any(permit.called for permit in waiting)
    fill(limiter, 16, OTHER_HOST)
    assert granted(acquire(limiter, presigned("KNOWN", 1, OTHER_HOST))).known
    assert granted(acquire(limiter, presigned("KNOWN", 2))).known


def test_a_host_that_never_answered_has_few_slots() -> None:
    """Hosts that never responded have few slots each, and few in total."""
    _, limiter = make(concurrency=64)
    call(limiter, presigned("KNOWN"))
    started = 0
    for region in range(20):
        calls = [
            acquire(limiter, presigned(f"A{number}", host=f"sts.xx-none-{region}.amazonaws.com"))
            for number in range(16)
        ]
        assert sum(permit.called for permit in calls) <= MAX_UNPROVEN
        started += sum(permit.called for permit in calls)
    assert started == MAX_UNPROVEN * MAX_UNPROVEN_HOSTS
    fill(limiter, 64)


def test_hosts_that_never_answered_are_forgotten() -> None:
    """Hosts that never responded leave no memory behind, and their number is bounded."""
    clock, limiter = make(concurrency=16)
    call(limiter, presigned("KNOWN"))
    for region in range(1_000):
        acquire(limiter, presigned("A", host=f"sts.xx-none-{region}.amazonaws.com"))
    assert len(limiter._hosts) == 128
    clock.advance(QUEUE_SECONDS)
    assert len(limiter._hosts) == 1 + MAX_UNPROVEN * MAX_UNPROVEN_HOSTS
    assert granted(acquire(limiter, presigned("KNOWN", 1)))


def test_calls_that_end_at_once_do_not_recurse() -> None:
    """Waiting calls that end as soon as they start, as with an open circuit, don't deepen the stack."""
    _, limiter = make(concurrency=1)
    (held,) = fill(limiter, 1)

    async def brief(number: int) -> None:
        limiter.release(await limiter.acquire(presigned("B", number)), Verdict.FAILED)

    waiting = [Deferred.fromCoroutine(brief(number)) for number in range(MAX_WAITING)]
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    try:
        limiter.release(held, Verdict.FAILED)
    finally:
        sys.setrecursionlimit(limit)
    assert all(each.called for each in waiting)
    assert (limiter.in_flight, limiter.waiting) == (0, 0)


def test_the_memory_of_rejected_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of rejected tokens evicts the oldest ones from the counted tries."""
    monkeypatch.setattr("authd.authentication.call_limiter._MAX_TRIES", 100)
    clock, limiter = make(concurrency=1)
    fill(limiter, 1)
    for number in range(150):
        acquire(limiter, presigned("B", number))
    clock.advance(QUEUE_SECONDS)
    assert list(limiter._tries) == [f"B-{number}" for number in range(50, 150)]
