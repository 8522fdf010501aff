"""Renders metrics in Prometheus's text format, by prometheus-client."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from authd.daemon.telemetry.histogram import Histogram
from authd.daemon.telemetry.metrics import Counter, Family, Gauge, Info, LabelledGauge, Total
from authd.daemon.telemetry.peer_metrics import CounterTable, HistogramTable

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class _ProcessCollector(ProcessCollector):
    """The process's metrics without /proc/stat, which the unit's `ProcSubset=pid` hides."""

    def _boot_time(self) -> float:
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


class _Families(Collector):
    """Converts the metrics' plain numbers to series."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Yield the families in their order."""
        for family in self._families:
            yield _table(family) if isinstance(family, CounterTable | HistogramTable) else _family(family)


def render(families: Sequence[Family]) -> bytes:
    """Return the process's metrics and then the families, in their order."""
    registry = CollectorRegistry()
    _ProcessCollector(registry=registry)
    registry.register(_Families(families))
    return generate_latest(registry)


def _family(family: Counter | Histogram | Gauge | LabelledGauge | Total | Info) -> Metric:
    if isinstance(family, Gauge):
        return GaugeMetricFamily(family.name, family.help_text, value=family.value())
    if isinstance(family, Total):
        return CounterMetricFamily(family.name, family.help_text, value=family.value())
    if isinstance(family, LabelledGauge):
        return _labelled(family)
    if isinstance(family, Info):
        info = GaugeMetricFamily(family.name, family.help_text, labels=list(family.labels))
        info.add_metric(list(family.labels.values()), 1)
        return info
    if isinstance(family, Histogram):
        return HistogramMetricFamily(family.name, family.help_text, buckets=family.buckets, sum_value=family.total)
    counter = CounterMetricFamily(family.name, family.help_text, labels=[family.label])
    for value, count in family.by_value.items():
        counter.add_metric([value], count)
    return counter


def _labelled(family: LabelledGauge) -> Metric:
    gauge = GaugeMetricFamily(family.name, family.help_text, labels=[family.label])
    for value, number in family.values().items():
        gauge.add_metric([value], number)
    return gauge


def _table(family: CounterTable | HistogramTable) -> Metric:
    if isinstance(family, CounterTable):
        counter = CounterMetricFamily(family.name, family.help_text, labels=list(family.labels))
        for values, count in family.counts.items():
            counter.add_metric(list(values), count)
        return counter
    histogram = HistogramMetricFamily(family.name, family.help_text, labels=[family.label])
    for value, each in family.by_value.items():
        histogram.add_metric([value], buckets=each.buckets, sum_value=each.total)
    return histogram
