"""Looks up the private DNS names of EC2 instances: in batches, rate-limited, shared and cached."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from authd.core.errors import DenialReason, Denied, Unavailable, UnavailableReason
from authd.core.token_bucket import TokenBucket

_log = Logger(namespace="authd.ec2")

#: IDs of instances have 8 or 17 hexadecimal digits.
INSTANCE_ID = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")
#: Maximum number of IDs in one call, and the seconds that the first one waits for others.
MAX_BATCH = 100
BATCH_SECONDS = 0.2
#: A name stays the same for as long as the instance exists.
_CACHE_SECONDS = 3600.0
_MAX_CACHED = 10_000
#: Maximum number of look-ups in progress. More would only time out.
_MAX_WAITING = 5_000
_TIMEOUT_SECONDS = 10.0

_Outcome = str | Denied | Unavailable


class InstanceNames:
    """Looks up names. `describe` returns the known names of up to `MAX_BATCH` instances in one call.

    At most `burst` calls start at once, and `qps` a second after that. `called` is called at each.
    """

    def __init__(
        self,
        reactor: Any,
        describe: Callable[[Sequence[str]], Awaitable[Mapping[str, str]]],
        *,
        qps: float,
        burst: int,
    ) -> None:
        self._reactor = reactor
        self._describe = describe
        self._qps = qps
        self._bucket = TokenBucket(burst=burst, rate=qps, now=reactor.seconds())
        self._known: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._waiting: dict[str, list[Deferred[_Outcome]]] = {}
        self._batch: list[str] = []
        self._timer: Any = None
        self.called: Callable[[], None] = lambda: None

    async def name(self, instance_id: str) -> str:
        """Return the name of an instance, never an empty one. Raises `Denied` or `Unavailable`."""
        if not INSTANCE_ID.fullmatch(instance_id):
            message = "the rule asks EC2 for a name, but the session is not named after an instance"
            raise Denied(DenialReason.INSTANCE_NAME_UNKNOWN, message)
        expires, name = self._known.get(instance_id, (0.0, ""))
        if name and self._reactor.seconds() < expires:
            return name
        looking_up = self._look_up(instance_id)
        looking_up.addTimeout(_TIMEOUT_SECONDS, self._reactor, onTimeoutCancel=_late)
        outcome = await looking_up
        if isinstance(outcome, Denied | Unavailable):
            raise outcome.copy()
        return outcome

    def stop(self) -> None:
        """Start no more calls."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_up(self, instance_id: str) -> Deferred[_Outcome]:
        if len(self._waiting) >= _MAX_WAITING:
            raise Unavailable(UnavailableReason.OVERLOADED, "too many look-ups of instance names are in progress")
        waiter: Deferred[_Outcome] = Deferred()
        waiters = self._waiting.setdefault(instance_id, [])
        waiters.append(waiter)
        if len(waiters) == 1:
            self._batch.append(instance_id)
            self._schedule()
        return waiter

    def _schedule(self) -> None:
        """Schedule the batch: after `BATCH_SECONDS`, or at once if it is full, but not before the rate allows it."""
        wait = 0.0 if len(self._batch) >= MAX_BATCH else BATCH_SECONDS
        left = self._bucket.refilled(self._reactor.seconds())
        allowed = 0.0 if left >= 1 else (1 - left) / self._qps
        wait = max(wait, allowed)
        if self._timer is None:
            self._timer = self._reactor.callLater(wait, self._send)
        elif len(self._batch) == MAX_BATCH:
            self._timer.reset(wait)

    def _send(self) -> None:
        self._timer = None
        batch, self._batch = self._batch[:MAX_BATCH], self._batch[MAX_BATCH:]
        self._bucket.left -= 1
        self.called()
        Deferred.fromCoroutine(self._resolve(batch))
        if self._batch:
            self._schedule()

    async def _resolve(self, batch: list[str]) -> None:
        names: Mapping[str, str] = {}
        failure: Denied | Unavailable = Denied(
            DenialReason.INSTANCE_NAME_UNKNOWN, "EC2 has no private DNS name for the instance of the caller's session"
        )
        try:
            names = await self._describe(batch)
        except (Denied, Unavailable) as error:
            failure = error
            _log.warn("names of EC2 instances can't be looked up: {error}", error=error.message)
        except Exception:  # a bug must not leave reviews waiting
            _log.failure("looking up names of EC2 instances failed")
            failure = Unavailable(UnavailableReason.INSTANCE_LOOKUP_FAILED, "an internal error; see the daemon's log")
        for instance_id in batch:
            name = names.get(instance_id, "")
            if name:
                self._cache(instance_id, name)
            for waiter in self._waiting.pop(instance_id, ()):
                if not waiter.called:  # it may have timed out
                    waiter.callback(name or failure)

    def _cache(self, instance_id: str, name: str) -> None:
        self._known[instance_id] = (self._reactor.seconds() + _CACHE_SECONDS, name)
        self._known.move_to_end(instance_id)
        if len(self._known) > _MAX_CACHED:
            self._known.popitem(last=False)


def _late(_result: object, seconds: float) -> None:
    message = f"EC2 did not return the name of the caller's instance within {seconds:.0f} seconds"
    raise Unavailable(UnavailableReason.INSTANCE_LOOKUP_TIMEOUT, message)
