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
        self.reactor = reactor
        self.reviews = 0

    def batch(self, process: Callable[[list[_T]], None]) -> TurnBatch[_T]:
        """Return the batch of one step."""
        return TurnBatch(self, process)


class TurnBatch(Generic[_T]):
    """Collects items and passes them on, in order, at the end of the reactor's turn or at `MOST` items.

    The items of a review on its own are passed on at once.
    """

    def __init__(self, turns: Turns, process: Callable[[list[_T]], None]) -> None:
        self._turns = turns
        self._process = process
        self._items: list[_T] = []
        self._scheduled = False

    def add(self, item: _T) -> None:
        """Add an item. A full batch is passed on at once."""
        if self._turns.reviews <= 1 and not self._items:
            self._process([item])
            return
        self._items.append(item)
        if len(self._items) >= MOST or self._turns.reviews <= 1:
            self._flush()
        elif not self._scheduled:
            self._scheduled = True
            self._turns.reactor.callLater(0, self._end)

    def _end(self) -> None:
        self._scheduled = False
        self._flush()

    def _flush(self) -> None:
        items, self._items = self._items, []
        if items:
            self._process(items)
