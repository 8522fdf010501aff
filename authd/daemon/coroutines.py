"""Running coroutines that mostly have little to wait for, at a third of what a Deferred for each would take."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure


def run(coroutine: Coroutine[Deferred[Any], Any, None]) -> None:
    """Run a coroutine that raises nothing, and that nobody waits for or cancels."""
    _go_on(None, coroutine)


def _go_on(result: object, coroutine: Coroutine[Deferred[Any], Any, None]) -> None:
    """Run it on with what it has awaited, as far as the next Deferred that has no result yet."""
    try:
        if isinstance(result, Failure):
            awaited = result.throwExceptionIntoGenerator(coroutine)
        else:
            awaited = coroutine.send(result)
    except StopIteration:
        return  # it is done
    awaited.addBoth(_go_on, coroutine)
