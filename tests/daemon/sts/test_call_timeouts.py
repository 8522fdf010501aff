"""One deadline for every call, and one timer for all of them."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import Clock

from authd.daemon.sts.call_timeouts import CallTimeouts

SECONDS = 5.0


class Calls:
    """Calls under way, and how they came out."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.deadlines = CallTimeouts(self.clock, SECONDS)
        self.outcomes: list[Any] = []

    def begin(self) -> Deferred[Any]:
        call: Deferred[Any] = Deferred()
        self.deadlines.add(call)
        call.addBoth(self.outcomes.append)
        return call


@pytest.fixture
def calls() -> Calls:
    return Calls()


def test_each_call_has_its_own_deadline(calls: Calls) -> None:
    """A call that began later ends later, with nothing but one timer for both."""
    calls.begin()
    calls.clock.advance(2)
    calls.begin()
    assert len(calls.clock.getDelayedCalls()) == 1
    calls.clock.advance(2.9)
    assert calls.outcomes == []
    calls.clock.advance(0.1)
    assert [outcome.type for outcome in calls.outcomes] == [TimeoutError]
    calls.clock.advance(1.9)
    assert len(calls.outcomes) == 1
    calls.clock.advance(0.1)
    assert [outcome.type for outcome in calls.outcomes] == [TimeoutError] * 2
    assert calls.clock.getDelayedCalls() == []


def test_a_call_that_ends_in_time_is_left_alone(calls: Calls) -> None:
    """What a call came to is passed on as it is, an error too, and its deadline says nothing any more."""
    calls.begin().callback("an answer")
    calls.begin().errback(ZeroDivisionError())
    assert calls.outcomes[0] == "an answer"
    assert calls.outcomes[1].check(ZeroDivisionError)
    calls.clock.advance(SECONDS)
    assert len(calls.outcomes) == 2
    assert calls.clock.getDelayedCalls() == []


def test_a_call_that_somebody_else_cancels_is_not_overdue(calls: Calls) -> None:
    """Only the deadline makes a timeout of a cancelled call."""
    calls.begin().cancel()
    assert not calls.outcomes[0].check(TimeoutError)


def test_a_call_that_answers_when_it_is_cancelled_has_answered(calls: Calls) -> None:
    """An answer that comes at the last moment counts."""
    call: Deferred[Any] = Deferred(lambda cancelled: cancelled.callback("just in time"))
    calls.deadlines.add(call)
    call.addBoth(calls.outcomes.append)
    calls.clock.advance(SECONDS)
    assert calls.outcomes == ["just in time"]


def test_a_call_that_begins_another_when_it_ends(calls: Calls) -> None:
    """What an overdue call sets off gets a whole deadline of its own, and those that wait keep theirs."""
    calls.begin().addCallback(lambda _: calls.begin() and None)
    calls.clock.advance(1)
    calls.begin()
    calls.clock.advance(SECONDS - 1)
    assert len(calls.outcomes) == 1
    assert len(calls.clock.getDelayedCalls()) == 1
    calls.clock.advance(1)
    assert len(calls.outcomes) == 2
    calls.clock.advance(SECONDS - 1)
    assert [outcome.type for outcome in calls.outcomes] == [TimeoutError] * 3
    assert calls.clock.getDelayedCalls() == []
