"""Counts exported spans, and bounds the queue of waiting ones.

Spans end in the reactor's thread and are exported in the SDK's thread. Each counter is changed by one thread only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from authd.daemon.tracing.outcomes import SpanOutcome

#: The SDK's own default and its variable. Source: OpenTelemetry specification, "Batch Span Processor".
_MAX_QUEUE_SIZE, _MAX_QUEUE_SIZE_VARIABLE = 2_048, "OTEL_BSP_MAX_QUEUE_SIZE"


def max_queue_size() -> int:
    """Return the largest number of waiting spans."""
    text = os.environ.get(_MAX_QUEUE_SIZE_VARIABLE, "")
    return int(text) if text.isascii() and text.isdigit() and int(text) else _MAX_QUEUE_SIZE


class CountedExporter(SpanExporter):
    """Exports by another exporter and counts the spans. `failed` is called in its thread with the number of spans."""

    def __init__(self, exporter: SpanExporter, counts: dict[str, int], failed: Callable[[int], None]) -> None:
        self._exporter = exporter
        self._counts = counts
        self._failed = failed
        self.taken = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch. Never raises."""
        self.taken += len(spans)
        try:
            result = self._exporter.export(spans)
        except Exception:
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self._counts[SpanOutcome.EXPORTED] += len(spans)
        else:
            self._counts[SpanOutcome.EXPORT_FAILED] += len(spans)
            self._failed(len(spans))
        return result

    def shutdown(self) -> None:
        """Stop, even during a retry."""
        self._exporter.shutdown()


class BoundedQueue(SpanProcessor):
    """Queues spans for an exporter. If the queue is full, a new span is dropped and `dropped` is called.

    The SDK itself would drop the oldest one without counting it.
    """

    def __init__(self, exporter: CountedExporter, counts: dict[str, int], dropped: Callable[[], None]) -> None:
        self._max_size = max_queue_size()
        self._exporter = exporter
        self._counts = counts
        self._dropped = dropped
        self._queued = 0
        self._batches = BatchSpanProcessor(exporter, max_queue_size=self._max_size)

    @property
    def waiting(self) -> int:
        """The number of spans in the queue."""
        return self._queued - self._exporter.taken

    @property
    def unfinished(self) -> int:
        """The number of spans that are waiting or being exported."""
        return self._queued - self._counts[SpanOutcome.EXPORTED] - self._counts[SpanOutcome.EXPORT_FAILED]

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing: spans are exported at their end."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span, or drop it."""
        if self.waiting >= self._max_size:
            self._counts[SpanOutcome.QUEUE_FULL] += 1
            self._dropped()
            return
        self._queued += 1
        self._batches.on_end(span)

    def shutdown(self) -> None:
        """Export the waiting spans, and end the thread. Takes up to half a minute."""
        self._batches.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export the waiting spans."""
        return self._batches.force_flush(timeout_millis)
