"""What STS has said of exact tokens, kept for a bounded time in bounded memory.

A token is known here by its SHA-256, which stands for all that changes STS's answer: the cluster id and the
allow-list of hosts are fixed for the life of the process. Passing failures are never kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from authd.core.caller_identity import CallerIdentity
from authd.core.errors import DenialReason, Denied
from authd.core.token import PresignedRequest

#: How long a definite refusal by STS is remembered, in seconds: a client that repeats itself costs one call.
REFUSAL_SECONDS = 10.0
#: How many tokens are remembered, of each kind: some 6 MB when full.
_MOST_CONFIRMED = 4_096
_MOST_REFUSED = 4_096

#: A clock that ran ahead is right a moment later; a bug of ours is not STS's word.
_MENDED_BY_TIME = frozenset({DenialReason.SIGNATURE_EXPIRED, DenialReason.INTERNAL_ERROR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """An identity that STS confirmed for one token at `at` (monotonic seconds); `request` is the token's."""

    request: PresignedRequest
    identity: CallerIdentity
    at: float


class VerdictCache:
    """Remembers refusals always, and confirmed identities where the settings ask for it.

    `cache_ttl` and `stale_if_error` are seconds, 0 for never; `seconds` is a monotonic clock.
    """

    def __init__(self, *, seconds: Callable[[], float], cache_ttl: float = 0.0, stale_if_error: float = 0.0) -> None:
        self._seconds = seconds
        self._cache_ttl = cache_ttl
        self._stale_if_error = stale_if_error
        self._confirmed: OrderedDict[str, Confirmed] = OrderedDict()
        self._refused: OrderedDict[str, tuple[float, Denied]] = OrderedDict()

    def confirm(self, request: PresignedRequest, identity: CallerIdentity) -> None:
        """Remember that STS confirmed an identity for a token."""
        if self._cache_ttl or self._stale_if_error:
            self._confirmed[request.digest] = Confirmed(request=request, identity=identity, at=self._seconds())
            if len(self._confirmed) > _MOST_CONFIRMED:
                self._confirmed.popitem(last=False)

    def refuse(self, request: PresignedRequest, denied: Denied) -> None:
        """Forget any confirmation of the token, and remember the refusal unless time alone may mend its reason."""
        self._confirmed.pop(request.digest, None)
        if denied.reason not in _MENDED_BY_TIME:
            until = self._seconds() + REFUSAL_SECONDS
            self._refused[request.digest] = (until, denied.copy())  # the raised one holds its frames
            if len(self._refused) > _MOST_REFUSED:
                self._refused.popitem(last=False)

    def fresh(self, digest: str, now: float) -> Confirmed | None:
        """Return what was confirmed for a token less than `cache_ttl` ago; `now` is wall-clock time."""
        return self._within(digest, now, self._cache_ttl) if self._cache_ttl else None

    def stale(self, digest: str, now: float) -> Confirmed | None:
        """Return what was confirmed for a token less than `stale_if_error` ago."""
        return self._within(digest, now, self._stale_if_error) if self._stale_if_error else None

    def check_refused(self, digest: str) -> None:
        """Raise STS's refusal of a token that is still remembered."""
        entry = self._refused.get(digest)
        if entry is not None and self._seconds() < entry[0]:
            raise entry[1].copy()

    def _within(self, digest: str, now: float, seconds: float) -> Confirmed | None:
        entry = self._confirmed.get(digest)
        # Both clocks must agree: the monotonic one bounds the age, the wall clock the signature's 15 minutes.
        if entry is None or self._seconds() >= entry.at + seconds or now > entry.request.expiry:
            return None
        return entry
