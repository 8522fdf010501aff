"""What Prometheus scrapes: counts and times under names and labels from closed sets, never from a token.

A review only adds to plain numbers; they are made into series when somebody scrapes them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate

from authd.core.decision import ALLOWED, Decision, Source
from authd.core.errors import DenialReason, UnavailableReason

#: Reviews take a millisecond where STS is not asked, and up to STS's deadline where it is.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Counter:
    """Counts by one label, in `by_value`: each of its values has its series from the start, and no other gets one."""

    def __init__(self, name: str, help_text: str, label: str, values: Iterable[object]) -> None:
        self.by_value = dict.fromkeys(map(str, values), 0)
        self.name, self.help_text, self.label = name, help_text, label


class Histogram:
    """A histogram of seconds; `total` is their sum."""

    def __init__(self, name: str, help_text: str) -> None:
        self.name, self.help_text = name, help_text
        self.total = 0.0
        self._counts = [0] * (len(_BUCKETS) + 1)

    def observe(self, seconds: float) -> None:
        """Count a time."""
        self._counts[bisect_left(_BUCKETS, seconds)] += 1
        self.total += seconds

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """How many times were at most so long, by that bound."""
        return list(zip([*map(str, _BUCKETS), "+Inf"], map(float, accumulate(self._counts)), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A value that is read when it is scraped."""

    name: str
    help_text: str
    value: Callable[[], float]


class Metrics:
    """Counts decisions, STS calls and reloads; `families` is all there is to scrape."""

    def __init__(self) -> None:
        self.families: list[Counter | Histogram | Gauge] = []
        reasons = [*DenialReason, *UnavailableReason]
        self._decisions = self._counter("authd_decisions", "Decisions by reason.", "reason", [ALLOWED, *reasons])
        self._sources = self._counter(
            "authd_identities", "Accepted identities by whose word they rest on.", "source", Source
        )
        self._calls = self._counter("authd_sts_calls", "Calls to STS by outcome.", "outcome", ["ok", *reasons])
        self._refused = self._counter(
            "authd_refused_requests", "Requests that were no TokenReview, by status.", "status", (400, 404, 405, 413)
        )
        self._reloads = self._counter(
            "authd_reloads", "Reloads of the settings file by result.", "result", ("ok", "broken", "refused")
        )
        self._times = Histogram("authd_review_seconds", "Time to a decision.")
        self.families.append(self._times)

    def decided(self, decision: Decision, elapsed: float) -> None:
        """Count a decision that took `elapsed` seconds."""
        self._decisions[decision.reason] += 1
        self._times.observe(elapsed)
        if decision.user is not None:
            self._sources[decision.source] += 1

    def refused(self, status: int) -> None:
        """Count a request that was no TokenReview."""
        self._refused[str(status)] += 1

    def sts_called(self, outcome: str) -> None:
        """Count a call to STS."""
        self._calls[outcome] += 1

    def reloaded(self, result: str) -> None:
        """Count a reload: `ok`, `broken` or `refused`."""
        self._reloads[result] += 1

    def gauge(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Publish a value that is read when it is scraped."""
        self.families.append(Gauge(name=name, help_text=help_text, value=value))

    def render(self) -> bytes:
        """Return everything in the text format."""
        # Prometheus's own library takes 12 ms to import and a megabyte, which who isn't scraped needn't pay.
        from authd.daemon.telemetry.prometheus import render  # noqa: PLC0415

        return render(self.families)

    def _counter(self, name: str, help_text: str, label: str, values: Iterable[object]) -> dict[str, int]:
        counter = Counter(name, help_text, label, values)
        self.families.append(counter)
        return counter.by_value
