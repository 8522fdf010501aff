"""A coroutine runs at once as far as it goes, and on when what it waits for is here."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from authd.daemon.event_loop import start_coroutine


class Work:
    """A coroutine's Deferreds, and what came of them."""

    def __init__(self, *awaited: Deferred[Any]) -> None:
        self.seen: list[Any] = []
        self.failures: list[Failure] = []
        start_coroutine(self._work(awaited), self.seen.append, self.failures.append)

    async def _work(self, awaited: tuple[Deferred[Any], ...]) -> str:
        for deferred in awaited:
            try:
                self.seen.append(await deferred)
            except ZeroDivisionError as error:
                self.seen.append(error)
        return "done"


def test_what_has_nothing_to_wait_for_is_done_at_once() -> None:
    """Nothing to wait for, or what is here already, takes no turn."""
    assert Work().seen == ["done"]
    assert Work(succeed(1), succeed(2)).seen == [1, 2, "done"]


@pytest.mark.parametrize("waits", [1, 2, 3])
def test_it_goes_on_when_what_it_waits_for_is_here(waits: int) -> None:
    """Each result comes in its turn, once."""
    deferreds: list[Deferred[int]] = [Deferred() for _ in range(waits)]
    work = Work(*deferreds)
    for number, deferred in enumerate(deferreds):
        assert work.seen == list(range(number))
        deferred.callback(number)
    assert work.seen == [*range(waits), "done"]


def test_a_failure_is_raised_where_it_is_awaited() -> None:
    """An error of what is awaited can be handled, and what follows goes on."""
    first: Deferred[int] = Deferred()
    second: Deferred[int] = Deferred()
    work = Work(first, second)
    error = ZeroDivisionError()
    first.errback(error)
    second.callback(2)
    assert work.seen == [error, 2, "done"]


def test_an_error_that_nobody_handles_is_told() -> None:
    """What a coroutine raises, at once or later, is told with its traceback, and nothing is returned."""
    later: Deferred[int] = Deferred()
    for work in (Work(fail(KeyError("at once"))), Work(succeed(1), later)):
        if work.seen:
            later.errback(KeyError("later"))
        (failure,) = work.failures
        assert failure.check(KeyError)
        assert "_work" in failure.getTraceback()
        assert "done" not in work.seen
