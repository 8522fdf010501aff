"""What Prometheus scrapes: counts and times under names and labels from closed sets, never from a token."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from authd.core.decision import ALLOWED, Decision
from authd.core.errors import DenialReason, UnavailableReason

#: Reviews take a millisecond where STS is not asked, and up to STS's deadline where it is.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts decisions, STS calls and reloads."""

    def __init__(self) -> None:
        disable_created_metrics()  # a second series beside each, for what the process's start time tells
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        decisions = self._counter("authd_decisions", "Decisions by reason.", ["reason"])
        reasons = [ALLOWED, *DenialReason, *UnavailableReason]
        self._decisions = {str(reason): decisions.labels(str(reason)) for reason in reasons}
        sources = self._counter("authd_identities", "Accepted identities by whose word they rest on.", ["source"])
        self._sources = {source: sources.labels(source) for source in ("sts", "cache", "stale")}
        calls = self._counter("authd_sts_calls", "Calls to STS by outcome.", ["outcome"])
        self._calls = {str(outcome): calls.labels(str(outcome)) for outcome in ["ok", *reasons[1:]]}
        refused = self._counter("authd_refused_requests", "Requests that were no TokenReview, by status.", ["status"])
        self._refused = {status: refused.labels(str(status)) for status in (400, 404, 405, 413)}
        reloads = self._counter("authd_reloads", "Reloads of the settings file by result.", ["result"])
        self._reloads = {result: reloads.labels(result) for result in ("ok", "broken", "refused")}
        self._seconds = Histogram(
            "authd_review_seconds", "Time to a decision.", buckets=_BUCKETS, registry=self._registry
        )

    def decided(self, decision: Decision, elapsed: float) -> None:
        """Count a decision that took `elapsed` seconds."""
        self._decisions[decision.reason].inc()
        self._seconds.observe(elapsed)
        if decision.user is not None:
            self._sources[decision.source].inc()

    def refused(self, status: int) -> None:
        """Count a request that was no TokenReview."""
        self._refused[status].inc()

    def sts_called(self, outcome: str) -> None:
        """Count a call to STS."""
        self._calls[outcome].inc()

    def reloaded(self, result: str) -> None:
        """Count a reload: `ok`, `broken` or `refused`."""
        self._reloads[result].inc()

    def gauge(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Publish a value that is read when it is scraped."""
        Gauge(name, help_text, registry=self._registry).set_function(value)

    def render(self) -> bytes:
        """Return everything in the text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, help_text: str, labels: list[str]) -> Counter:
        return Counter(name, help_text, labels, registry=self._registry)
