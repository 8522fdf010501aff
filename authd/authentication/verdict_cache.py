"""Caches STS's verdicts on exact tokens, within bounds of time and memory.

The key is the token's SHA-256. STS's response depends on nothing else that changes while the process runs: the cluster
ID and the allow-list of hosts are fixed. Temporary failures are never cached.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from authd.authentication.token import Token
from authd.core.caller_identity import CallerIdentity
from authd.core.errors import DenialReason, Denied
from authd.core.mapping.ordered_tables import OrderedTables

#: Seconds for which a final refusal is cached. A client that repeats a refused token costs one call in this time.
REFUSAL_SECONDS = 10.0
#: Maximum numbers of cached tokens, which take about 9 MB together.
_MAX_CONFIRMED = 4_096
_MAX_REFUSED = 4_096
_MAX_UNMAPPED = 4_096

#: A signature dated slightly in the future becomes valid a moment later, and an internal error is no verdict of STS.
_NOT_CACHED = frozenset({DenialReason.SIGNATURE_EXPIRED, DenialReason.INTERNAL_ERROR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """The identity that STS confirmed for a token's `request`, at the monotonic time `at` in seconds."""

    request: Token
    identity: CallerIdentity
    at: float


class Unmapped(NamedTuple):
    """An identity that STS confirmed and the mappings refuse. `rule` is the place of the refusing rule, if any."""

    identity: CallerIdentity
    denied: Denied
    rule: str = ""


class CacheState(NamedTuple):
    """The number of cached tokens of one kind, their bound, and the number of hits since the start."""

    entries: int
    most: int
    hits: int


class VerdictCache:
    """Caches refusals and unmapped identities always, and confirmed ones if `cache_ttl` or `stale_if_error` is set.

    Both are in seconds, and 0 switches them off. `seconds` is a monotonic clock. `hits` counts uses by kind.
    """

    def __init__(self, *, seconds: Callable[[], float], cache_ttl: float = 0.0, stale_if_error: float = 0.0) -> None:
        self._seconds = seconds
        self._cache_ttl = cache_ttl
        self._stale_if_error = stale_if_error
        self._confirmed: OrderedDict[str, Confirmed] = OrderedDict()
        self._refused: OrderedDict[str, tuple[float, Denied]] = OrderedDict()
        self._unmapped: OrderedDict[str, Unmapped] = OrderedDict()
        self._tables: OrderedTables | None = None  # the tables that refused the unmapped identities
        self._period = 0  # the period of these tables at that time
        self.hits = {"confirmed": 0, "stale": 0, "refused": 0, "unmapped": 0}

    def state(self) -> dict[str, CacheState]:
        """Return the state by kind. `stale` has the confirmed tokens too, which are used if STS fails."""
        confirmed, hits = len(self._confirmed), self.hits
        return {
            "confirmed": CacheState(confirmed if self._cache_ttl else 0, _MAX_CONFIRMED, hits["confirmed"]),
            "stale": CacheState(confirmed if self._stale_if_error else 0, _MAX_CONFIRMED, hits["stale"]),
            "refused": CacheState(len(self._refused), _MAX_REFUSED, hits["refused"]),
            "unmapped": CacheState(len(self._unmapped), _MAX_UNMAPPED, hits["unmapped"]),
        }

    def confirm(self, request: Token, identity: CallerIdentity) -> None:
        """Cache the identity that STS confirmed for a token."""
        if self._cache_ttl or self._stale_if_error:
            self._confirmed[request.digest] = Confirmed(request=request, identity=identity, at=self._seconds())
            if len(self._confirmed) > _MAX_CONFIRMED:
                self._confirmed.popitem(last=False)

    def refuse(self, request: Token, denied: Denied) -> None:
        """Remove the token's confirmation and cache the refusal, unless time alone may change it."""
        self._confirmed.pop(request.digest, None)
        if denied.reason not in _NOT_CACHED:
            until = self._seconds() + REFUSAL_SECONDS
            self._refused[request.digest] = (until, denied.copy())  # a raised exception keeps its frames alive
            if len(self._refused) > _MAX_REFUSED:
                self._refused.popitem(last=False)

    def set_unmapped(self, request: Token, unmapped: Unmapped, tables: OrderedTables, now: float) -> None:
        """Cache a confirmed identity that no table maps. `now` is the Unix time in seconds."""
        period = tables.period(now)
        if tables is not self._tables or period != self._period:
            self._unmapped.clear()
            self._tables, self._period = tables, period
        self._unmapped[request.digest] = unmapped._replace(denied=unmapped.denied.copy())  # as above
        if len(self._unmapped) > _MAX_UNMAPPED:
            self._unmapped.popitem(last=False)

    def unmapped(self, digest: str, tables: OrderedTables, now: float) -> Unmapped | None:
        """Return the identity of a token that these tables don't map, or None.

        A reload builds new tables, and a new period begins whenever a rule begins or ends.
        """
        entry = self._unmapped.get(digest) if tables is self._tables else None
        if entry is None or tables.period(now) != self._period:
            return None
        self.hits["unmapped"] += 1
        return entry

    def fresh(self, digest: str, now: float) -> Confirmed | None:
        """Return a confirmation younger than `cache_ttl`, or None. `now` is the wall-clock time in Unix seconds."""
        return self._within(digest, now, self._cache_ttl, "confirmed") if self._cache_ttl else None

    def stale(self, digest: str, now: float) -> Confirmed | None:
        """Return a confirmation younger than `stale_if_error`, or None."""
        return self._within(digest, now, self._stale_if_error, "stale") if self._stale_if_error else None

    def check_refused(self, digest: str) -> None:
        """Raise the cached refusal of a token, if there is one."""
        entry = self._refused.get(digest)
        if entry is not None and self._seconds() < entry[0]:
            self.hits["refused"] += 1
            raise entry[1].copy()

    def _within(self, digest: str, now: float, seconds: float, kind: str) -> Confirmed | None:
        entry = self._confirmed.get(digest)
        # The monotonic clock bounds the age, the wall clock the signature's lifetime.
        if entry is None or self._seconds() >= entry.at + seconds or now > entry.request.expiry:
            return None
        self.hits[kind] += 1
        return entry
