"""Refuses a new table that would lock out many recently accepted identities."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator

from authd.core.caller_identity import CallerIdentity
from authd.core.errors import AuthdError, Denied
from authd.core.mapping.ordered_tables import OrderedTables
from authd.core.mapping.validity import NO_TIME

#: Seconds after its last login for which an identity counts.
SEEN_SECONDS = 3_600.0
#: Fewer are never refused, whatever their share: removing one user is an ordinary change.
FEWEST_LOST = 2
_MOST_IDENTITIES = 8_192
#: Each identity may be compared with hundreds of patterns, so a step takes up to a few milliseconds.
_IDENTITIES_PER_STEP = 20

#: Stands for the instance's name, on which no table depends.
_ANY_INSTANCE = "any"


class LockedOut(AuthdError):
    """A new table would lock out too many identities. `names` are their canonical ARNs."""

    def __init__(self, message: str, names: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.names = names


class SeenIdentities:
    """The identities accepted in the last hour, up to a maximum. `seconds` is a monotonic clock."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._seen: OrderedDict[str, tuple[float, CallerIdentity]] = OrderedDict()

    def note(self, identity: CallerIdentity) -> None:
        """Record an accepted identity."""
        self._seen[identity.arn_text] = (self._seconds(), identity)
        self._seen.move_to_end(identity.arn_text)
        if len(self._seen) > _MOST_IDENTITIES:
            self._seen.popitem(last=False)

    def principal_ids(self) -> dict[str, str]:
        """Return the unique IDs of the identities, by the key of their ARN."""
        return {identity.key: identity.principal_id for _, identity in self._seen.values()}

    def checking(
        self, new: OrderedTables, old: OrderedTables, share: float, now: float = NO_TIME
    ) -> Generator[None, None, None]:
        """Check `new` in steps. Raises `LockedOut` if it locks out more than `share` (0 to 1) of the identities.

        Both tables are evaluated at the Unix time `now`, so an identity whose rule has already ended does not count. A
        table without any rule in force is refused too. Locking out a single identity is always allowed, and a share of
        1 allows everything.
        """
        if share >= 1:
            return
        limit = self._seconds() - SEEN_SECONDS
        lately = [identity for at, identity in self._seen.values() if at > limit]
        seen, lost = 0, []
        for count, identity in enumerate(lately, start=1):
            if _maps(old, identity, now):
                seen += 1
                if not _maps(new, identity, now):
                    lost.append(identity.canonical_arn)
            if count % _IDENTITIES_PER_STEP == 0:
                yield
        names = tuple(dict.fromkeys(lost))
        if old.in_force(now) and not new.in_force(now):
            every = "it would remove every mapping" if not len(new) else "none of its rules is in force at this time"
            raise LockedOut(every, names)
        if len(lost) >= FEWEST_LOST and len(lost) > share * seen:
            raise LockedOut(f"it would lock out {len(lost)} of the {seen} identities of the last hour", names)


def _maps(tables: OrderedTables, identity: CallerIdentity, now: float) -> bool:
    """Return whether the tables map an identity, without the slow search for the nearest rule."""
    match = tables.find(identity, now)
    try:
        return match is not None and bool(match.render(identity, _ANY_INSTANCE))
    except Denied:
        return False
