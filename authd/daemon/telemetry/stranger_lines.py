"""Limits the log lines about tokens without a confirmed identity, so that a flood can't displace other lines."""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.logger import Logger

from authd.daemon.telemetry.bounded_lines import BoundedLines

_log = Logger(namespace="authd.decisions")

#: Lines of each reason: burst and rate per second.
_LINES, _LINES_PER_SECOND = 100.0, 5.0
#: Shortest time between two reports of omitted lines of one reason, in seconds.
REPORT_SECONDS = 10.0


class _Reason(BoundedLines):
    """The lines of one reason, and the time of their last report."""

    __slots__ = ("reported",)

    def __init__(self, now: float) -> None:
        super().__init__(burst=_LINES, rate=_LINES_PER_SECOND, now=now)
        self.reported = now


class StrangerLines:
    """Limits the lines about decisions without a confirmed identity, and reports the number of omitted ones.

    `omitted` is called with each report: the reason and the number of lines. The fixed set of reasons bounds memory.
    """

    def __init__(
        self, now: Callable[[], float] = time.monotonic, omitted: Callable[[str, int], None] = lambda *_: None
    ) -> None:
        self._now = now
        self._omitted = omitted
        self._reasons: dict[str, _Reason] = {}

    def permits(self, reason: str) -> bool:
        """Return whether the next decision with this reason is logged."""
        now = self._now()
        lines = self._reasons.get(reason) or self._reasons.setdefault(reason, _Reason(now))
        permitted = lines.permits(now)
        if lines.omitted and now - lines.reported >= REPORT_SECONDS:
            self._report(reason, lines, now)
        return permitted

    def report(self) -> None:
        """Report omitted lines. Called periodically, so that the end of a flood is reported too."""
        now = self._now()
        for reason, lines in self._reasons.items():
            if lines.omitted:
                self._report(reason, lines, now)

    def _report(self, reason: str, lines: _Reason, now: float) -> None:
        omitted, lines.reported = lines.take_omitted(), now
        self._omitted(reason, omitted)
        _log.warn(
            "omitted {omitted} lines about tokens without a confirmed identity: {reason}",
            omitted=omitted,
            reason=reason,
        )
