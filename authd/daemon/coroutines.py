"""Running coroutines that mostly have nothing to wait for."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred


def run(coroutine: Coroutine[Deferred[Any], Any, None]) -> None:
    """Run a coroutine that raises nothing until it waits; only then is it made a Deferred, which takes a while."""
    try:
        awaited = coroutine.send(None)
    except StopIteration:
        return
    Deferred.fromCoroutine(_go_on(coroutine, awaited))


async def _go_on(coroutine: Coroutine[Deferred[Any], Any, None], awaited: Deferred[Any]) -> None:
    with suppress(StopIteration):  # which is how it ends
        while True:
            try:
                result = await awaited
            except Exception as error:  # noqa: BLE001  # whatever it is, the coroutine is told
                awaited = coroutine.throw(error)
            else:
                awaited = coroutine.send(result)
