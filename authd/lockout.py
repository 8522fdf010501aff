"""The guard against locking everyone out: whom a new mapping table would shut out of those who came lately."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from authd.core.caller_identity import CallerIdentity
from authd.core.errors import AuthdError, Denied
from authd.core.mapping import MappingTable

#: Identities count for this long after they were last accepted, in seconds.
SEEN_SECONDS = 3_600.0
#: A share of fewer identities than this says nothing: removing one of two is an ordinary change.
FEWEST_IDENTITIES = 10
_MOST_IDENTITIES = 8_192


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

    def check(self, new: MappingTable, old: MappingTable, share: float) -> None:
        """Raise `LockedOut` where `new` is empty, or shuts out more than `share` (0 to 1) of those seen lately.

        A share of 1 allows everything.
        """
        if share >= 1:
            return
        if len(old) and not len(new):
            raise LockedOut("it would remove every mapping")
        limit = self._seconds() - SEEN_SECONDS
        seen = [identity for at, identity in self._seen.values() if at > limit and _maps(old, identity)]
        lost = tuple(identity.canonical_arn for identity in seen if not _maps(new, identity))
        if len(seen) >= FEWEST_IDENTITIES and len(lost) > share * len(seen):
            names = tuple(dict.fromkeys(lost))
            raise LockedOut(f"it would lock out {len(lost)} of the {len(seen)} identities of the last hour", names)


def _maps(table: MappingTable, identity: CallerIdentity) -> bool:
    try:
        table.lookup(identity)
    except Denied:
        return False
    return True
