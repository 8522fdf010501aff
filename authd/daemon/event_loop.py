"""Batches the same step of many reviews per reactor turn, which keeps its code in the CPU's L1 cache.

A review runs more code than L1 holds. If every review ran from start to end, each step would evict the next one's code.
Batching halves the cost under load. A review waits no longer than the reactor's turn takes anyway, and not at all if it
is the only one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.interfaces import IReactorTime

_T = TypeVar("_T")

#: The largest batch. Beyond a few dozen items, a larger one gains nothing.
MOST = 64


class Turns:
    """The reactor's turns. `reviews` is the number of reviews in progress, which the webhook counts."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self.reviews = 0

    def batch(self, process: Callable[[list[_T]], None]) -> TurnBatch[_T]:
        """Return the batch of one step. A review on its own is not delayed."""
        return TurnBatch(self._reactor, process, lambda: self.reviews > 1)


class TurnBatch(Generic[_T]):
    """Collects items and passes them on, in order, at the end of the reactor's turn or at `MOST` items.

    While `is_busy` returns False, each item is passed on at once.
    """

    def __init__(
        self, reactor: IReactorTime, process: Callable[[list[_T]], None], is_busy: Callable[[], bool] = lambda: True
    ) -> None:
        self._reactor = reactor
        self._process = process
        self._is_busy = is_busy
        self._items: list[_T] = []
        self._scheduled = False

    def add(self, item: _T) -> None:
        """Add an item. A full batch is passed on at once."""
        self._items.append(item)
        if len(self._items) >= MOST or not self._is_busy():
            self._flush()
        elif not self._scheduled:
            self._scheduled = True
            self._reactor.callLater(0, self._end)

    def _end(self) -> None:
        self._scheduled = False
        self._flush()

    def _flush(self) -> None:
        items, self._items = self._items, []
        if items:
            self._process(items)
