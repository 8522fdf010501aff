"""The guard against locking everyone out: whom a new mapping table would shut out of those who came lately."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator

from authd.core.caller_identity import CallerIdentity
from authd.core.errors import AuthdError, Denied
from authd.core.ordered_tables import OrderedTables

#: Identities count for this long after they were last accepted, in seconds.
SEEN_SECONDS = 3_600.0
#: One identity alone, whatever its share, is an ordinary change: somebody leaves.
FEWEST_LOST = 2
_MOST_IDENTITIES = 8_192
#: Hundreds of patterns may have to be tried for each: a step takes some milliseconds then.
_IDENTITIES_PER_STEP = 20


class LockedOut(AuthdError):
    """A new table would shut out too many; `names` are the canonical ARNs of those who would lose access."""

    def __init__(self, message: str, names: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.names = names


class SeenIdentities:
    """The identities that were accepted within the last hour, bounded; `seconds` is a monotonic clock."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._seen: OrderedDict[str, tuple[float, CallerIdentity]] = OrderedDict()

    def note(self, identity: CallerIdentity) -> None:
        """Remember an identity that was accepted just now."""
        self._seen[identity.arn_text] = (self._seconds(), identity)
        self._seen.move_to_end(identity.arn_text)
        if len(self._seen) > _MOST_IDENTITIES:
            self._seen.popitem(last=False)

    def checking(self, new: OrderedTables, old: OrderedTables, share: float) -> Generator[None, None, None]:
        """Raise `LockedOut`, in steps, where `new` is empty, or shuts out more than `share` (0 to 1) of those seen.

        One alone may always go, and a share of 1 allows everything.
        """
        if share >= 1:
            return
        limit = self._seconds() - SEEN_SECONDS
        lately = [identity for at, identity in self._seen.values() if at > limit]
        seen, lost = 0, []
        for count, identity in enumerate(lately, start=1):
            if _maps(old, identity):
                seen += 1
                if not _maps(new, identity):
                    lost.append(identity.canonical_arn)
            if count % _IDENTITIES_PER_STEP == 0:
                yield
        names = tuple(dict.fromkeys(lost))
        if len(old) and not len(new):
            raise LockedOut("it would remove every mapping", names)
        if len(lost) >= FEWEST_LOST and len(lost) > share * seen:
            raise LockedOut(f"it would lock out {len(lost)} of the {seen} identities of the last hour", names)


def _maps(tables: OrderedTables, identity: CallerIdentity) -> bool:
    """Return whether the tables let an identity in, without looking for the nearest rule if not: that takes long."""
    match = tables.find(identity)
    try:
        return match is not None and bool(match.render(identity))
    except Denied:
        return False
