"""One deadline for every call to STS, and one timer for all of them: all may take equally long."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure


class CallTimeouts:
    """Cancels calls that take longer than `seconds`."""

    def __init__(self, reactor: Any, seconds: float) -> None:
        self._reactor = reactor
        self._seconds = seconds
        self._under_way: dict[Deferred[Any], float | None] = {}  # in the order of their deadlines; None: overdue
        self._timer: IDelayedCall | None = None

    def add(self, call: Deferred[Any]) -> None:
        """Watch over a call that begins now; at its deadline it is cancelled and fails with `TimeoutError`."""
        self._under_way[call] = self._reactor.seconds() + self._seconds
        if self._timer is None:
            self._timer = self._reactor.callLater(self._seconds, self._end_overdue)
        call.addBoth(self._ended, call)

    def _ended(self, result: object, call: Deferred[Any]) -> object:
        overdue = self._under_way.pop(call) is None
        if overdue and isinstance(result, Failure):
            raise TimeoutError(self._seconds, "Deferred")
        return result

    def _end_overdue(self) -> None:
        now = self._reactor.seconds()
        for call, deadline in list(self._under_way.items()):
            if deadline is not None and deadline > now:
                break
            self._under_way[call] = None
            call.cancel()
        self._timer = None  # not before: calls that the ends of these set off find a timer
        waiting = [deadline for deadline in self._under_way.values() if deadline is not None]
        if waiting:
            self._timer = self._reactor.callLater(waiting[0] - now, self._end_overdue)
