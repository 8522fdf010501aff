"""A pool of waiting calls, drawn at random with equal chances for each key."""

from __future__ import annotations

import random
from collections.abc import Iterator

from twisted.internet.defer import Deferred

from authd.authentication.callers import KnownKey, Standing
from authd.authentication.token import Token

#: Random candidates of a draw. The one with the most earlier tries wins.
_CANDIDATES = 8

choose = random.Random().choice  # fairness needs no secrecy


class Permit:
    """Permission for one call to STS, granted or waited for.

    `key` is the caller's, if it is known. `tries` counts earlier tries of the same token that were rejected. `proven`
    tells whether the host had responded lately when the call started. While the call waits, `turn` is the Deferred that
    fires at its start, at the latest at `deadline` in monotonic seconds.
    """

    __slots__ = ("deadline", "key", "proven", "request", "standing", "tries", "turn")

    def __init__(self, request: Token, standing: Standing, key: KnownKey | None, tries: int) -> None:
        self.request = request
        self.standing = standing
        self.key = key
        self.tries = tries
        self.proven = False
        self.deadline = 0.0
        self.turn: Deferred[None] | None = None

    @property
    def known(self) -> bool:
        """Whether the call is in a lane that strangers can't enter at will."""
        return self.standing <= Standing.KNOWN


class FairPool:
    """Waiting permits, grouped by credentials.

    In order of arrival, a flood could keep out all other calls. A draw picks a random key first, so a flood under one
    key does not lower other keys' chances. It prefers retried tokens: kube-apiserver sends a rejected token up to five
    times, so a user's retry wins against a flood of new tokens.
    """

    def __init__(self) -> None:
        self._groups: dict[str, list[Permit]] = {}
        self._keys: list[str] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, permit: Permit) -> None:
        """Add a permit."""
        group = self._groups.get(permit.request.credentials)
        if group is None:
            group = self._groups[permit.request.credentials] = []
            self._keys.append(permit.request.credentials)
        group.append(permit)
        self._size += 1

    def remove(self, permit: Permit) -> None:
        """Remove a permit of this pool."""
        credentials = permit.request.credentials
        group = self._groups[credentials]
        group.remove(permit)
        self._size -= 1
        if not group:
            del self._groups[credentials]
            self._keys.remove(credentials)

    def draw(self) -> Permit:
        """Return a random permit, which stays in the pool. The pool must not be empty."""
        return max(self._candidates(), key=lambda one: one.tries)

    def surplus(self) -> Permit:
        """Return the permit to reject first: one of the key with the most permits, with few earlier tries."""
        longest = max(self._groups.values(), key=len)
        candidates = self._candidates() if len(longest) == 1 else (choose(longest) for _ in range(_CANDIDATES))
        return min(candidates, key=lambda one: one.tries)

    def _candidates(self) -> Iterator[Permit]:
        for _ in range(_CANDIDATES if self._size > 1 else 1):
            group = self._groups[choose(self._keys)]
            yield group[0] if len(group) == 1 else choose(group)
