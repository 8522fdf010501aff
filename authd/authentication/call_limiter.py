"""Limits calls to STS: slots for each host, a total rate, and lanes that strangers can't enter.

A call starts at once if its host has a free slot and the rate allows it. Otherwise it waits up to `QUEUE_SECONDS` in a
pool. Confirmed tokens go first, then known keys, then all others, see `Standing`. Each of these lanes has slots and a
part of the rate that the lanes after it can't use.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import takewhile
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from authd.authentication.call_rate import CallRate
from authd.authentication.callers import Callers, Standing, Verdict
from authd.authentication.fair_pool import FairPool, Permit, choose
from authd.authentication.host_slots import MAX_UNPROVEN, MAX_UNPROVEN_HOSTS, HostSlots
from authd.authentication.token import Token
from authd.core.errors import Unavailable, UnavailableReason

#: Seconds that a call may wait. kube-apiserver waits 30 for the whole review.
QUEUE_SECONDS = 1.0
#: Maximum number of waiting calls of one standing. Each holds one of the webhook's 1,024 connections.
MAX_WAITING = 256
#: Seconds between two checks of waiting calls: whether the rate allows them, and whether their wait has ended.
_TICK_SECONDS = 0.01
#: Maximum number of rejected tokens whose tries are counted. Covers the last seconds even in a flood, in about 4 MB.
_MAX_TRIES = 16_384
#: Maximum number of hosts with calls. A token may name a region that doesn't exist, so the number needs a bound.
_MAX_HOSTS = 128
#: Standings in the order of their lanes. Calls within one lane take turns at random.
_LANES = ((Standing.CONFIRMED,), (Standing.KNOWN,), (Standing.STRAINED, Standing.STRANGER))


class Clock(Protocol):
    """A monotonic clock with timers, such as Twisted's reactor or its `task.Clock`."""

    def seconds(self) -> float:
        """Return the time, in seconds since an arbitrary moment."""
        ...

    def callLater(self, delay: float, callable: Callable[..., object], *args: object) -> IDelayedCall:
        """Call `callable` in `delay` seconds."""
        ...


class CallLimiter:
    """Grants permits for calls: `concurrency` at once to each host, and `rate` a second to all hosts together."""

    def __init__(self, *, clock: Clock, concurrency: int, rate: float) -> None:
        self._clock = clock
        self._concurrency = concurrency
        self._callers = Callers(clock.seconds)
        self._hosts: dict[str, HostSlots] = {}
        self._rate = CallRate(rate, clock.seconds())
        self._tries: OrderedDict[str, int] = OrderedDict()
        self._waiting: dict[Standing, dict[Permit, HostSlots]] = {standing: {} for standing in Standing}
        self._unproven = 0
        self._timer: IDelayedCall | None = None
        self._dispatching = False
        self.in_flight = 0

    @property
    def waiting(self) -> int:
        """The number of waiting calls."""
        return sum(map(len, self._waiting.values()))

    def budgets(self) -> dict[str, float]:
        """Return the calls left of each budget. `strangers` is the part that unknown callers may waste."""
        return self._rate.left(self._clock.seconds())

    def keys(self) -> tuple[int, int]:
        """Return the number of known keys, and of those whose budget is used up."""
        return self._callers.budgets()

    def is_known(self, request: Token) -> bool:
        """Return whether a request is in a lane that strangers can't enter at will."""
        return self._callers.standing(request, self._callers.known_key(request)) <= Standing.KNOWN

    async def acquire(self, request: Token) -> Permit:
        """Wait for a permit, up to `QUEUE_SECONDS`. `release` must follow. Raises `Unavailable(overloaded)`."""
        host = self._hosts.get(request.host)
        if host is None:
            if len(self._hosts) >= _MAX_HOSTS:
                raise self._overloaded()
            host = self._hosts[request.host] = HostSlots(self._concurrency)
        key = self._callers.known_key(request)
        standing = self._callers.standing(request, key)
        permit = Permit(request, standing, key, self._tries.pop(request.digest, 0) if self._tries else 0)
        if key is not None and standing is Standing.KNOWN:
            key.calls += 1
        nobody_waits = self._timer is None or not self._waits_before(standing)
        if nobody_waits and self._may_start(host, standing, self._clock.seconds()):
            self._start(host, permit)
        else:
            await self._wait(host, permit)
        return permit

    def release(self, permit: Permit, verdict: Verdict) -> None:
        """Return a permit with the outcome of its call, and start waiting calls."""
        now = self._clock.seconds()
        host = self._hosts[permit.request.host]
        self.in_flight -= 1
        host.in_flight -= 1
        self._unproven -= not permit.proven
        self._rate.ended(permit.standing, verdict)
        self._callers.record(permit.request, verdict)
        host.record(verdict, now)
        self._end(host, permit)
        self._dispatch()

    def _waits_before(self, standing: Standing) -> bool:
        """Return whether a call waits in the standing's lane or in one before it."""
        last = Standing.STRANGER if standing is Standing.STRAINED else standing
        return any(calls for waiting, calls in self._waiting.items() if waiting <= last)

    def _may_start(self, host: HostSlots, standing: Standing, now: float) -> bool:
        if not self._rate.allows(standing, now) or not host.has_slot(standing, now):
            return False
        max_unproven = MAX_UNPROVEN_HOSTS * min(self._concurrency, MAX_UNPROVEN)
        return self._unproven < max_unproven * (2 if standing <= Standing.KNOWN else 1) or host.is_proven(now)

    def _start(self, host: HostSlots, permit: Permit) -> None:
        permit.proven = host.is_proven(self._clock.seconds())
        self._unproven += not permit.proven
        self._rate.started(permit.standing)
        host.in_flight += 1
        self.in_flight += 1

    async def _wait(self, host: HostSlots, permit: Permit) -> None:
        permit.deadline = self._clock.seconds() + QUEUE_SECONDS
        turn: Deferred[None] = Deferred(lambda _: self._withdraw(permit))
        permit.turn = turn
        waiting = self._waiting[permit.standing]
        waiting[permit] = host
        host.pools[permit.standing].add(permit)
        if self._timer is None:
            self._timer = self._clock.callLater(_TICK_SECONDS, self._tick)
        if len(waiting) > MAX_WAITING:
            pools = (host.pools[permit.standing] for host in self._hosts.values())
            self._reject(max(pools, key=len).surplus())
        self._dispatch()
        await turn

    def _unqueue(self, permit: Permit) -> HostSlots:
        host = self._waiting[permit.standing].pop(permit)
        host.pools[permit.standing].remove(permit)
        return host

    def _withdraw(self, permit: Permit) -> None:
        """Remove a waiting call."""
        self._end(self._unqueue(permit), permit)

    def _reject(self, permit: Permit) -> None:
        self._withdraw(permit)
        self._tries[permit.request.digest] = permit.tries + 1
        if len(self._tries) > _MAX_TRIES:
            self._tries.popitem(last=False)
        if permit.turn is not None:
            permit.turn.errback(self._overloaded())

    def _end(self, host: HostSlots, permit: Permit) -> None:
        """Record that a call has ended or stopped waiting. Forgets an idle host that has not responded lately."""
        if permit.key is not None and permit.standing is Standing.KNOWN:
            permit.key.calls -= 1
        if not host.in_flight and not host.is_proven(self._clock.seconds()) and not host.waiting:
            self._hosts.pop(permit.request.host, None)

    def _dispatch(self) -> None:
        """Start as many waiting calls as the limits allow. If a call ends at once, `release` calls this again."""
        if self._dispatching or self._timer is None:  # the timer runs as long as a call waits
            return
        self._dispatching = True
        try:
            for lane in _LANES:
                while pools := self._ready(lane):
                    permit = choose(pools).draw()
                    self._start(self._unqueue(permit), permit)
                    if permit.turn is not None:
                        permit.turn.callback(None)
        finally:
            self._dispatching = False

    def _ready(self, lane: tuple[Standing, ...]) -> list[FairPool]:
        """Return the pools of a lane with calls that may start now."""
        now = self._clock.seconds()
        return [
            host.pools[standing]
            for standing in lane
            if self._waiting[standing] and self._rate.allows(standing, now)
            for host in self._hosts.values()
            if host.pools[standing] and self._may_start(host, standing, now)
        ]

    def _tick(self) -> None:
        self._dispatch()
        self._timer = None
        now = self._clock.seconds()
        for calls in self._waiting.values():
            for permit in list(takewhile(lambda one: one.deadline <= now, calls)):
                self._reject(permit)
        if self._timer is None and self.waiting:
            self._timer = self._clock.callLater(_TICK_SECONDS, self._tick)

    def _overloaded(self) -> Unavailable:
        calls = f"{self.in_flight} under way, {self.waiting} waiting"
        return Unavailable(UnavailableReason.OVERLOADED, f"the limits on calls to STS are reached ({calls}): try again")
