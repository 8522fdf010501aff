"""Batches the same step of many reviews per reactor turn, which keeps its code in the CPU's L1 cache.

A review runs more code than L1 holds. If each review ran from start to end, its steps would evict one another's code.
Batching halves the cost under load. It delays a review until the end of the reactor's turn, unless it is the only one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.interfaces import IReactorTime

_T = TypeVar("_T")

#: The largest batch. More than a few dozen items don't save more.
MAX_BATCH = 64


class Turns:
    """The reactor's turns. `reviews` is the number of reviews in progress, which the webhook counts."""

    def __init__(self, reactor: IReactorTime) -> None:
        self.reactor = reactor
        self.reviews = 0

    def batch(self, process: Callable[[list[_T]], None]) -> TurnBatch[_T]:
        """Return the batch of one step."""
        return TurnBatch(self, process)


class TurnBatch(Generic[_T]):
    """Collects items and passes them on once, in order, at the end of the reactor's turn or at `MAX_BATCH` items.

    If only one review is in progress, its items are passed on at once.
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
        if len(self._items) >= MAX_BATCH or self._turns.reviews <= 1:
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
