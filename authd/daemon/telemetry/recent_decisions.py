"""Counts the decisions of the last minutes by reason, and the most refused identities."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from authd.core.access_key import key_account
from authd.core.decision import Decision

#: Length of the window in minutes.
MINUTES = 15
#: Largest number of identities counted in a minute, so that unauthenticated clients can't fill the memory.
_MAX_IDENTITIES = 512


class _Minute:
    """The counts of one minute. The key of `refused` is the account, the canonical ARN or access key ID, the reason."""

    __slots__ = ("number", "reasons", "refused")

    def __init__(self, number: int) -> None:
        self.number = number
        self.reasons: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str, str]] = Counter()


class RecentDecisions:
    """Counts decisions by minute. `seconds` is a monotonic clock."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._minutes: deque[_Minute] = deque(maxlen=MINUTES)

    def note(self, decision: Decision) -> None:
        """Count a decision."""
        minute = self._current()
        minute.reasons[decision.reason] += 1
        if decision.user is None and decision.request is not None:
            self._note_refused(minute, decision)

    def by_reason(self) -> dict[str, int]:
        """Return the counts of the window, the most frequent reason first."""
        total: Counter[str] = Counter()
        for minute in self._window():
            total.update(minute.reasons)
        return dict(total.most_common())

    def refused(self, scrubbed_accounts: frozenset[str], most: int = 10) -> list[dict[str, object]]:
        """Return the most refused identities of the window. Unconfirmed ones are named by their access key IDs."""
        total: Counter[tuple[str, str, str]] = Counter()
        for minute in self._window():
            total.update(minute.refused)
        return [
            {"identity": name, "reason": reason, "count": count}
            for (account, name, reason), count in total.most_common()
            if (account or key_account(name)) not in scrubbed_accounts
        ][:most]

    def _note_refused(self, minute: _Minute, decision: Decision) -> None:
        if decision.identity is not None:
            key = (decision.identity.arn.account, decision.identity.canonical_arn, decision.reason)
        elif decision.request is not None:
            key = ("", decision.request.access_key_id, decision.reason)
        if key in minute.refused or len(minute.refused) < _MAX_IDENTITIES:
            minute.refused[key] += 1

    def _current(self) -> _Minute:
        number = int(self._seconds() // 60)
        if not self._minutes or self._minutes[-1].number != number:
            self._minutes.append(_Minute(number))
        return self._minutes[-1]

    def _window(self) -> list[_Minute]:
        first = int(self._seconds() // 60) - MINUTES
        return [minute for minute in self._minutes if minute.number > first]
