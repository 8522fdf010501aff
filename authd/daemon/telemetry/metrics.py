"""Metrics for Prometheus. Names and labels come from closed sets, never from a token.

A review only increments plain numbers. `prometheus.render` converts them to series at each scrape.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from authd.core.decision import ALLOWED, OUTCOMES, Decision, Source
from authd.core.errors import DenialReason, UnavailableReason
from authd.core.foreign_token import ForeignToken
from authd.daemon.telemetry.histogram import Histogram
from authd.daemon.telemetry.peer_metrics import CounterTable, HistogramTable, PeerMetrics


class Counter:
    """Counts by one label, in `by_value`. The label's values are fixed, and each has a series from the start."""

    def __init__(self, name: str, help_text: str, label: str, values: Iterable[object]) -> None:
        self.by_value = dict.fromkeys(map(str, values), 0)
        self.name, self.help_text, self.label = name, help_text, label


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A value that is read at each scrape."""

    name: str
    help_text: str
    value: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledGauge:
    """Values by one label, read at each scrape. The label's values come from the settings, never from a token."""

    name: str
    help_text: str
    label: str
    values: Callable[[], Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """A counter without a label, read at each scrape."""

    name: str
    help_text: str
    value: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """A constant 1 whose labels describe the build."""

    name: str
    help_text: str
    labels: Mapping[str, str]


_RELOAD_RESULTS = ("ok", "broken", "refused")

Family = Counter | Histogram | Gauge | LabelledGauge | Total | Info | CounterTable | HistogramTable


class Metrics:
    """Counts decisions, STS calls and reloads. `families` holds all metrics in the order of publication."""

    def __init__(self) -> None:
        self.peer = PeerMetrics()
        self.families: list[Family] = [*self.peer.families]
        for name, (help_text, value) in self.peer.totals.items():
            self.total(name, help_text, value)
        reasons = [*DenialReason, *UnavailableReason]
        self._decisions = self.counter("authd_decisions", "Decisions by reason.", "reason", [ALLOWED, *reasons])
        self._reviews = self.counter("authd_reviews", "Reviews by outcome.", "outcome", OUTCOMES.values())
        self._sources = self.counter("authd_identities", "Accepted identities by source.", "source", Source)
        self._calls = self.counter("authd_sts_calls", "Calls to STS by outcome.", "outcome", ["ok", *reasons])
        self._refused = self.counter(
            "authd_refused_requests", "Requests that were no TokenReview, by status.", "status", (400, 404, 405, 413)
        )
        self._reloads = self.counter(
            "authd_reloads", "Reloads of mappings by result, of all sources.", "result", _RELOAD_RESULTS
        )
        self._source_reloads = CounterTable(
            "authd_source_reloads", "Reloads of mappings by source and result.", "source", "result"
        )
        self.families.append(self._source_reloads)
        self._times = Histogram("authd_review_seconds", "Time to a decision.")
        self.sts_durations = Histogram("authd_sts_call_seconds", "Duration of calls to STS.")
        self._foreign = self.counter(
            "authd_foreign_tokens", "Tokens that are not authd's, by their shape.", "class", ForeignToken
        )
        self.families += [self._times, self.sts_durations]
        self._coalesced = 0
        self.total("authd_coalesced_reviews", "Reviews that shared another one's call to STS.", lambda: self._coalesced)
        self.last_review = 0.0
        self.gauge(
            "authd_last_review_timestamp_seconds",
            "Unix time of the last review, 0 before the first.",
            lambda: self.last_review,
        )

    def decided(self, decision: Decision, elapsed: float) -> None:
        """Count a decision that took `elapsed` seconds."""
        self._decisions[decision.reason] += 1
        self._reviews[OUTCOMES[decision.reason]] += 1
        self._times.observe(elapsed)
        self.peer.decided(decision.reason, elapsed)
        self.last_review = time.time()
        if decision.user is not None:
            self._sources[decision.source] += 1

    def foreign(self, token_class: ForeignToken) -> None:
        """Count a token that is not authd's."""
        self._foreign[token_class] += 1

    def coalesced(self) -> None:
        """Count a review that shares another one's call to STS."""
        self._coalesced += 1

    def refused(self, status: int) -> None:
        """Count a request that is not a TokenReview."""
        self._refused[str(status)] += 1
        self.peer.refused()

    def sts_called(self, outcome: str) -> None:
        """Count a call to STS."""
        self._calls[outcome] += 1

    def reloaded(self, result: str) -> None:
        """Count a reload: `ok`, `broken` or `refused`."""
        self._reloads[result] += 1

    def reloads_of(self, source: str) -> Callable[[str], None]:
        """Return a callback for the results of one source's reloads. Each result has a series from now on."""
        for result in _RELOAD_RESULTS:
            self._source_reloads.counts.setdefault((source, result), 0)  # keeps the counts of a source added again

        def reloaded(result: str) -> None:
            self.reloaded(result)
            self._source_reloads.add(source, result)

        return reloaded

    def gauge(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Publish a value that is read at each scrape."""
        self.families.append(Gauge(name=name, help_text=help_text, value=value))

    def total(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Publish a counter without a label, which is read at each scrape."""
        self.families.append(Total(name=name, help_text=help_text, value=value))

    def counter(self, name: str, help_text: str, label: str, values: Iterable[object]) -> dict[str, int]:
        """Publish a counter with one label, and return its counts by the label's values."""
        counter = Counter(name, help_text, label, values)
        self.families.append(counter)
        return counter.by_value
