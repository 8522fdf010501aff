"""Limits calls to STS: bounded calls in flight, bounded queues, and known callers go first.

Nothing here trusts a token's own statements. Whether a key is known, and how many refusals it has caused, is counted by
its credentials: the access key ID together with the session token, if there is one. A stranger who knows the access key
ID of a session can therefore neither use that session's fast lane nor exhaust its budget. A long-term key has no
session token, so forgeries under its ID do draw on its budget until STS has confirmed the key.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall

from authd.core.caller_identity import CallerIdentity
from authd.core.errors import Denied, Unavailable, UnavailableReason
from authd.core.token import PresignedRequest
from authd.core.token_bucket import TokenBucket

#: Seconds for which a confirmation by STS keeps credentials in the fast lane.
KNOWN_SECONDS = 900.0
#: Calls in flight that one known signer may have in the fast lane.
_KNOWN_IN_FLIGHT = 8
#: Seconds that a call may wait for its turn. kube-apiserver waits 30 for the whole review.
QUEUE_SECONDS = 1.0
#: Waiting calls per lane. A cluster whose nodes all restart at once is not a flood.
MOST_WAITING = 512
#: Refusals by STS that all strangers together, and one signer's credentials, may cause: burst, and per second.
_STRANGERS_BURST, _STRANGERS_RATE = 1_000.0, 100.0
_KEY_BURST, _KEY_RATE = 20.0, 1.0
#: Credentials remembered, of each kind.
_MOST_KEYS = 8_192


class Clock(Protocol):
    """A monotonic clock with timers, such as Twisted's reactor or its `task.Clock`."""

    def seconds(self) -> float:
        """Return the time, in seconds since whenever."""
        ...

    def callLater(self, delay: float, callable: Callable[..., object], *args: object) -> IDelayedCall:
        """Call something in `delay` seconds."""
        ...


class Permit(NamedTuple):
    """Leave to have one call to STS under way; `known` in the fast lane."""

    request: PresignedRequest
    known: bool


class CallLimiter:
    """Hands out places: `concurrency` for everyone, and a quarter more that only known callers may take."""

    def __init__(self, *, clock: Clock, concurrency: int) -> None:
        now = clock.seconds()
        self._clock = clock
        self._common_places = concurrency
        self._known_places = concurrency + max(1, concurrency // 4)
        self._known_waiting: list[Deferred[None]] = []
        self._common_waiting: list[Deferred[None]] = []
        self._known: OrderedDict[str, float] = OrderedDict()
        self._known_in_flight: dict[str, int] = {}
        self._strangers = TokenBucket(burst=_STRANGERS_BURST, rate=_STRANGERS_RATE, now=now)
        self._keys: OrderedDict[str, TokenBucket] = OrderedDict()
        self.in_flight = 0

    @property
    def waiting(self) -> int:
        """How many calls wait for a place."""
        return len(self._known_waiting) + len(self._common_waiting)

    async def acquire(self, request: PresignedRequest) -> Permit:
        """Wait for a place, for at most a second; `release` must follow. Raises `Unavailable(overloaded)`."""
        known = self._is_known(request.credentials)
        if not known:
            self._check_budgets(request.credentials)
        if self.in_flight < (self._known_places if known else self._common_places):
            self.in_flight += 1
        else:
            await self._turn(self._known_waiting if known else self._common_waiting)
        if known:
            self._known_in_flight[request.credentials] = self._known_in_flight.get(request.credentials, 0) + 1
        return Permit(request, known)

    def release(self, place: Permit, outcome: CallerIdentity | Denied | Unavailable) -> None:
        """Give a place back, with what STS said, and let the next one in."""
        request = place.request
        if place.known:
            left = self._known_in_flight.pop(request.credentials) - 1
            if left:
                self._known_in_flight[request.credentials] = left
        if isinstance(outcome, CallerIdentity):
            self._confirmed(request.credentials)
        elif isinstance(outcome, Denied) and not place.known:
            self._strangers.left -= 1
            self._key_budget(request.credentials).left -= 1
        self.in_flight -= 1
        self._next()

    def _is_known(self, credentials: str) -> bool:
        until = self._known.get(credentials)
        if until is None or self._clock.seconds() >= until:
            return False
        return self._known_in_flight.get(credentials, 0) < _KNOWN_IN_FLIGHT

    def _confirmed(self, credentials: str) -> None:
        self._known[credentials] = self._clock.seconds() + KNOWN_SECONDS
        self._known.move_to_end(credentials)
        if len(self._known) > _MOST_KEYS:
            self._known.popitem(last=False)

    def _check_budgets(self, credentials: str) -> None:
        now = self._clock.seconds()
        key = self._keys.get(credentials)
        if key is not None and key.refilled(now) < 1:
            raise _overloaded("STS has refused too many tokens of this access key; new ones wait")
        if self._strangers.refilled(now) < 1:
            raise _overloaded("STS has refused too many tokens of unknown access keys; new ones wait")

    def _key_budget(self, credentials: str) -> TokenBucket:
        budget = self._keys.get(credentials)
        if budget is None:
            now = self._clock.seconds()
            budget = self._keys[credentials] = TokenBucket(burst=_KEY_BURST, rate=_KEY_RATE, now=now)
            if len(self._keys) > _MOST_KEYS:
                self._keys.popitem(last=False)
        return budget

    async def _turn(self, queue: list[Deferred[None]]) -> None:
        if len(queue) >= MOST_WAITING:
            raise _overloaded(f"{self.in_flight} calls to STS are under way and {len(queue)} wait already")
        turn: Deferred[None] = Deferred(queue.remove)
        queue.append(turn)
        turn.addTimeout(QUEUE_SECONDS, self._clock)  # type: ignore[arg-type]  # asks for less than it declares
        try:
            await turn
        except TimeoutError:
            raise _overloaded(f"{self.in_flight} calls to STS are under way and none ended in time") from None

    def _next(self) -> None:
        if self._known_waiting and self.in_flight < self._known_places:
            queue = self._known_waiting
        elif self._common_waiting and self.in_flight < self._common_places:
            queue = self._common_waiting
        else:
            return
        self.in_flight += 1
        # At random: first come, first served would let whoever floods the queue decide who is never served.
        chosen = random.randrange(len(queue))  # noqa: S311  # fairness needs no secrecy
        queue[chosen], queue[-1] = queue[-1], queue[chosen]
        queue.pop().callback(None)


def _overloaded(message: str) -> Unavailable:
    return Unavailable(UnavailableReason.OVERLOADED, message)
