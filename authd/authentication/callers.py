"""Remembers callers by STS's verdicts: confirmed tokens, and known keys with a budget each.

A caller is known if STS has confirmed a token of theirs and a mapping has matched. Only known callers enter the memory
of known keys and confirmed tokens, so strangers can't evict anything from it.

Keys are identified by their credentials: the access key ID together with the session token. A stranger who knows only
the access key ID of a session has other credentials. A long-term key has no session token, so forgeries under its ID
have the owner's credentials. They use up the key's budget, but don't affect its confirmed tokens.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from authd.authentication.token import Token
from authd.core.token import MAX_CLOCK_LEAD, SIGNATURE_LIFETIME
from authd.core.token_bucket import TokenBucket

#: Seconds for which a key stays known after a confirmation: the longest lifetime that the confirmed token can have.
KNOWN_SECONDS = float(SIGNATURE_LIFETIME + MAX_CLOCK_LEAD)
#: Maximum number of concurrent calls of a known key in the lane of known keys.
MAX_KNOWN_CALLS = 8
#: A key's budget of refusals by STS: burst, and refill per second. A success restores one.
KEY_BURST, KEY_RATE = 20.0, 1.0
#: Bounds of the memory: known keys, confirmed tokens in total, and confirmed tokens of one key. About 7 MB when full.
MAX_KEYS = 8_192
MAX_TOKENS = 16_384
MAX_TOKENS_OF_KEY = 64


class Standing(IntEnum):
    """Rank of a token. Lower values go first."""

    #: STS has confirmed exactly this token, and a mapping has matched.
    CONFIRMED = 0
    #: The key is known.
    KNOWN = 1
    #: The key is known, but its budget is used up or it has many calls at once.
    STRAINED = 2
    STRANGER = 3


class Verdict(IntEnum):
    """Outcome of a call to STS, as far as the limits depend on it."""

    MAPPED = 0
    UNMAPPED = 1
    REFUSED = 2
    THROTTLED = 3
    FAILED = 4


@dataclass(slots=True, eq=False)
class KnownKey:
    """A known key: its `calls` in the lane of known keys, and the digests of its confirmed `tokens`."""

    until: float
    budget: TokenBucket
    calls: int = 0
    tokens: dict[str, None] = field(default_factory=dict)  # the least recently confirmed first


class Callers:
    """The memory of callers. `seconds` is a monotonic clock."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._known: OrderedDict[str, KnownKey] = OrderedDict()  # the least recently confirmed key first
        self._tokens = 0

    def budgets(self) -> tuple[int, int]:
        """Return the number of known keys, and of those whose budget is used up."""
        now = self._seconds()
        return len(self._known), sum(key.budget.refilled(now) < 1 for key in self._known.values())

    def known_key(self, request: Token) -> KnownKey | None:
        """Return the request's key if it is known."""
        key = self._known.get(request.credentials)
        if key is not None and self._seconds() >= key.until:
            self._forget(request.credentials)
            return None
        return key

    def standing(self, request: Token, key: KnownKey | None) -> Standing:
        """Return the rank of a request whose `known_key` is given."""
        if key is None:
            return Standing.STRANGER
        if request.digest in key.tokens:
            return Standing.CONFIRMED
        if key.calls < MAX_KNOWN_CALLS and key.budget.refilled(self._seconds()) >= 1:
            return Standing.KNOWN
        return Standing.STRAINED

    def record(self, request: Token, verdict: Verdict) -> None:
        """Update the memory by the outcome of a call. Throttling and failures say nothing about the caller."""
        if verdict is Verdict.MAPPED:
            self._confirm(request)
        elif verdict is Verdict.UNMAPPED:
            self._forget(request.credentials)
        elif verdict is Verdict.REFUSED:
            self._refuse(request)

    def _confirm(self, request: Token) -> None:
        now = self._seconds()
        key = self._known.get(request.credentials)
        if key is None:
            key = self._known[request.credentials] = KnownKey(now, TokenBucket(burst=KEY_BURST, rate=KEY_RATE, now=now))
        key.until = now + KNOWN_SECONDS
        key.budget.left += 1  # bounded by the burst at the next refill
        self._known.move_to_end(request.credentials)
        if request.digest in key.tokens:
            del key.tokens[request.digest]
            self._tokens -= 1
        key.tokens[request.digest] = None  # moves to the end, so that new tokens evict unused ones
        self._tokens += 1
        if len(key.tokens) > MAX_TOKENS_OF_KEY:
            del key.tokens[next(iter(key.tokens))]
            self._tokens -= 1
        while len(self._known) > MAX_KEYS or self._tokens > MAX_TOKENS:
            self._forget(next(iter(self._known)))

    def _refuse(self, request: Token) -> None:
        key = self._known.get(request.credentials)
        if key is None:
            return
        key.budget.left -= 1
        if request.digest in key.tokens:
            del key.tokens[request.digest]
            self._tokens -= 1

    def _forget(self, credentials: str) -> None:
        key = self._known.pop(credentials, None)
        if key is not None:
            self._tokens -= len(key.tokens)
