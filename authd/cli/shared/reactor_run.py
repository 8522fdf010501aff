"""Runs a command's coroutine with the reactor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.python.failure import Failure

Result = TypeVar("Result")


def run_with_reactor(work: Callable[[Any], Awaitable[Result]]) -> Result:
    """Return the result of `work`, which receives the reactor, or raise its exception.

    Raises `KeyboardInterrupt` if a signal stops the reactor first, since the calls that this ends have no result. Call
    it once in a process, because the reactor can't be restarted.
    """
    results: list[Any] = []
    stopped: list[Any] = []  # the results that there were when the reactor stopped

    def begin(reactor: Any) -> Deferred[None]:
        reactor.addSystemEventTrigger("before", "shutdown", lambda: stopped.extend(results))
        return Deferred.fromCoroutine(_awaited(work(reactor))).addBoth(results.append)

    with suppress(SystemExit):  # react() always exits
        react(begin)
    if not stopped:
        raise KeyboardInterrupt
    if isinstance(results[0], Failure):
        results[0].raiseException()
    result: Result = results[0]
    return result


async def _awaited(work: Awaitable[Result]) -> Result:
    return await work
