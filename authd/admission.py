"""Who may call STS now: bounded calls in flight, bounded queues, and callers that STS knows go first.

Nothing here trusts what a token says of itself. That a key was confirmed is STS's word, and it is kept with the
session token where there is one, so that knowing somebody's key id opens no door; whoever forges with a
long-term key's id can use up no more than that key's own few places.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred, TimeoutError  # noqa: A004  # Twisted's own
from twisted.internet.interfaces import IDelayedCall

from authd.core.caller_identity import CallerIdentity
from authd.core.errors import Denied, Unavailable, UnavailableReason
from authd.core.token import PresignedRequest

#: How long STS's word for a key puts it into the fast lane, in seconds.
KNOWN_SECONDS = 900.0
#: How many calls with the same known key may use the fast lane at once.
_KNOWN_IN_FLIGHT = 8
#: How long a call may wait for its turn, in seconds; kube-apiserver would wait 30 for the whole review.
QUEUE_SECONDS = 1.0
#: And how many, in each lane: a cluster whose nodes all come back at once is not a flood.
MOST_WAITING = 512
#: Refusals by STS that all strangers together, and one access key id, may cause: at once, and a second.
_STRANGERS_REFUSALS = (1_000.0, 100.0)
_KEY_REFUSALS = (20.0, 1.0)
#: How many keys are kept in mind, of each kind.
_MOST_KEYS = 8_192


class Clock(Protocol):
    """A monotonic clock with timers, such as Twisted's reactor or its `task.Clock`."""

    def seconds(self) -> float:
        """Return the time, in seconds since whenever."""
        ...

    def callLater(self, delay: float, callable: Callable[..., object], *args: object) -> IDelayedCall:  # noqa: A002  # Twisted's
        """Call something in `delay` seconds."""
        ...


@dataclass(slots=True)
class _Budget:
    """A token bucket: `left` refills by `rate` a second up to `burst`."""

    burst: float
    rate: float
    left: float
    at: float

    def refilled(self, now: float) -> float:
        self.left = min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        return self.left


class Place(NamedTuple):
    """Leave to have one call to STS under way; `known` in the fast lane."""

    request: PresignedRequest
    known: bool


class Admission:
    """Hands out places: `concurrency` for everyone, and a quarter more that only known callers may take."""

    def __init__(self, *, clock: Clock, concurrency: int) -> None:
        now = clock.seconds()
        self._clock = clock
        self._common_places = concurrency
        self._known_places = concurrency + max(1, concurrency // 4)
        self._known_waiting: deque[Deferred[None]] = deque()
        self._common_waiting: deque[Deferred[None]] = deque()
        self._known: OrderedDict[str, float] = OrderedDict()
        self._known_in_flight: dict[str, int] = {}
        self._strangers = _Budget(*_STRANGERS_REFUSALS, _STRANGERS_REFUSALS[0], now)
        self._keys: OrderedDict[str, _Budget] = OrderedDict()
        self.in_flight = 0

    @property
    def waiting(self) -> int:
        """How many calls wait for a place."""
        return len(self._known_waiting) + len(self._common_waiting)

    async def enter(self, request: PresignedRequest) -> Place:
        """Wait for a place, for at most a second; `leave` must follow. Raises `Unavailable(overloaded)`."""
        known = self._is_known(request.credentials)
        if not known:
            self._check_budgets(request.access_key_id)
        if self.in_flight < (self._known_places if known else self._common_places):
            self.in_flight += 1
        else:
            await self._turn(self._known_waiting if known else self._common_waiting)
        if known:
            self._known_in_flight[request.credentials] = self._known_in_flight.get(request.credentials, 0) + 1
        return Place(request, known)

    def leave(self, place: Place, outcome: CallerIdentity | Denied | Unavailable) -> None:
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
            self._key_budget(request.access_key_id).left -= 1
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

    def _check_budgets(self, access_key_id: str) -> None:
        now = self._clock.seconds()
        key = self._keys.get(access_key_id)
        if key is not None and key.refilled(now) < 1:
            raise _overloaded("STS has refused too many tokens of this access key; new ones wait")
        if self._strangers.refilled(now) < 1:
            raise _overloaded("STS has refused too many tokens of unknown access keys; new ones wait")

    def _key_budget(self, access_key_id: str) -> _Budget:
        budget = self._keys.get(access_key_id)
        if budget is None:
            budget = self._keys[access_key_id] = _Budget(*_KEY_REFUSALS, _KEY_REFUSALS[0], self._clock.seconds())
            if len(self._keys) > _MOST_KEYS:
                self._keys.popitem(last=False)
        return budget

    async def _turn(self, queue: deque[Deferred[None]]) -> None:
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
        queue.popleft().callback(None)


def _overloaded(message: str) -> Unavailable:
    return Unavailable(UnavailableReason.OVERLOADED, message)
