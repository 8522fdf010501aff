"""Metrics in Prometheus's text format, rendered by prometheus-client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from authd.daemon.telemetry.metrics import Counter, Gauge, Histogram

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class _Families(Collector):
    """Collects series from the plain numbers of the metrics."""

    def __init__(self, families: Sequence[Counter | Histogram | Gauge]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Yield the families in their order."""
        return map(_family, self._families)


def render(families: Sequence[Counter | Histogram | Gauge]) -> bytes:
    """Return the process's metrics and then the families, in their order."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Families(families))
    return generate_latest(registry)


def _family(family: Counter | Histogram | Gauge) -> Metric:
    if isinstance(family, Gauge):
        return GaugeMetricFamily(family.name, family.help_text, value=family.value())
    if isinstance(family, Histogram):
        return HistogramMetricFamily(family.name, family.help_text, buckets=family.buckets, sum_value=family.total)
    counter = CounterMetricFamily(family.name, family.help_text, labels=[family.label])
    for value, count in family.by_value.items():
        counter.add_metric([value], count)
    return counter
