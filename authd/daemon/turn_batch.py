"""Doing what is alike together, at the end of the reactor's turn.

A review walks through more code than the processor's nearest caches hold. Where many are under way, each of them would
find there what the one before it left, which is never what it needs next; the same step of many reviews in a row finds
everything at hand, and takes half the time. Nobody waits for longer than the turn takes anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.interfaces import IReactorTime

_T = TypeVar("_T")

#: As many are not kept waiting for more: beyond a few dozen there is nothing left to gain.
MOST = 64


class TurnBatch(Generic[_T]):
    """Collects items, and hands them on in their order when the reactor's turn ends or there are `MOST` of them."""

    def __init__(self, reactor: IReactorTime, hand_on: Callable[[list[_T]], None]) -> None:
        self._reactor = reactor
        self._hand_on = hand_on
        self._items: list[_T] = []
        self._ends = False

    def add(self, item: _T) -> None:
        """Take in an item; it may be handed on at once."""
        self._items.append(item)
        if len(self._items) >= MOST:
            self._go()
        elif not self._ends:
            self._ends = True
            self._reactor.callLater(0, self._end)

    def _end(self) -> None:
        self._ends = False
        self._go()

    def _go(self) -> None:
        items, self._items = self._items, []
        if items:
            self._hand_on(items)
