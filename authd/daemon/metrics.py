"""What Prometheus scrapes: counts and times under names and labels from closed sets, never from a token.

A review only adds to plain numbers; they are made into series when somebody scrapes them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from authd.core.decision import ALLOWED, Decision, Source
from authd.core.errors import DenialReason, UnavailableReason

#: Reviews take a millisecond where STS is not asked, and up to STS's deadline where it is.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class _Counter(Collector):
    """Counts by one label, in `by_value`: each of its values has its series from the start, and no other gets one."""

    def __init__(self, name: str, help_text: str, label: str, values: Iterable[object]) -> None:
        self.by_value = dict.fromkeys(map(str, values), 0)
        self._name, self._help_text, self._label = name, help_text, label

    def collect(self) -> Iterator[Metric]:
        """Make the series."""
        family = CounterMetricFamily(self._name, self._help_text, labels=[self._label])
        for value, count in self.by_value.items():
            family.add_metric([value], count)
        yield family


class _Times(Collector):
    """A histogram of seconds."""

    def __init__(self, name: str, help_text: str) -> None:
        self._name, self._help_text = name, help_text
        self._counts = [0] * (len(_BUCKETS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(_BUCKETS, seconds)] += 1
        self._sum += seconds

    def collect(self) -> Iterator[Metric]:
        """Make the series."""
        bounds = [*map(str, _BUCKETS), "+Inf"]
        buckets = list(zip(bounds, map(float, accumulate(self._counts)), strict=True))
        yield HistogramMetricFamily(self._name, self._help_text, buckets=buckets, sum_value=self._sum)


class Metrics:
    """Counts decisions, STS calls and reloads."""

    def __init__(self) -> None:
        disable_created_metrics()  # a second series beside each, for what the process's start time tells
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
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
        self._times = _Times("authd_review_seconds", "Time to a decision.")
        self._registry.register(self._times)

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
        Gauge(name, help_text, registry=self._registry).set_function(value)

    def render(self) -> bytes:
        """Return everything in the text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, help_text: str, label: str, values: Iterable[object]) -> dict[str, int]:
        counter = _Counter(name, help_text, label, values)
        self._registry.register(counter)
        return counter.by_value
