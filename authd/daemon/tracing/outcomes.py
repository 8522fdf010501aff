"""The outcomes of spans, and their metric. Needs no package of the extra `otel`."""

from __future__ import annotations

from enum import StrEnum

from authd.daemon.telemetry.metrics import Metrics


class SpanOutcome(StrEnum):
    """The outcome of a span. The values are labels of a metric."""

    EXPORTED = "exported"
    EXPORT_FAILED = "export_failed"
    QUEUE_FULL = "queue_full"
    FLOOD = "flood"


def publish_spans(metrics: Metrics) -> dict[str, int]:
    """Publish the number of spans by outcome, and return the counts."""
    return metrics.counter("authd_trace_spans", "Spans of tracing by outcome.", "outcome", SpanOutcome)
