"""Metrics in Prometheus's text format, by Prometheus's own library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from authd.daemon.telemetry.metrics import Counter, Gauge, Histogram


class _Families(Collector):
    """Makes series of plain numbers."""

    def __init__(self, families: Sequence[Counter | Histogram | Gauge]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Make one family after the other."""
        return map(_family, self._families)


def render(families: Sequence[Counter | Histogram | Gauge]) -> bytes:
    """Write the process's own figures, and then the families in their order."""
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
