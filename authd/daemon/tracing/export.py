"""Counts spans on their way to the collector, and bounds those that wait.

Spans end in the reactor's thread and are exported in the SDK's thread. Each number has one thread that changes it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from authd.daemon.tracing.outcomes import SpanOutcome

#: The SDK's own default and its variable. Source: OpenTelemetry specification, "Batch Span Processor".
_MOST_WAITING, _MOST_WAITING_VARIABLE = 2_048, "OTEL_BSP_MAX_QUEUE_SIZE"


def most_waiting() -> int:
    """Return the number of spans that may wait."""
    text = os.environ.get(_MOST_WAITING_VARIABLE, "")
    return int(text) if text.isascii() and text.isdigit() and int(text) else _MOST_WAITING


class CountedExporter(SpanExporter):
    """Exports by another exporter and counts the spans. `failed` receives the number of each failure, in its thread."""

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
        """Stop, also in the middle of a retry."""
        self._exporter.shutdown()


class BoundedQueue(SpanProcessor):
    """Queues spans for an exporter. If too many wait, a new one is dropped and `dropped` is called.

    The SDK would drop the oldest one, uncounted.
    """

    def __init__(self, exporter: CountedExporter, counts: dict[str, int], dropped: Callable[[], None]) -> None:
        self._most = most_waiting()
        self._exporter = exporter
        self._counts = counts
        self._dropped = dropped
        self._queued = 0
        self._batches = BatchSpanProcessor(exporter, max_queue_size=self._most)

    @property
    def waiting(self) -> int:
        """The number of spans that wait for their export."""
        return self._queued - self._exporter.taken

    @property
    def unfinished(self) -> int:
        """The number of spans that wait or are on their way."""
        return self._queued - self._counts[SpanOutcome.EXPORTED] - self._counts[SpanOutcome.EXPORT_FAILED]

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing: spans are exported at their end."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span, or drop it."""
        if self.waiting >= self._most:
            self._counts[SpanOutcome.QUEUE_FULL] += 1
            self._dropped()
            return
        self._queued += 1
        self._batches.on_end(span)

    def shutdown(self) -> None:
        """Export what waits, and end the thread. Takes up to half a minute."""
        self._batches.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export what waits."""
        return self._batches.force_flush(timeout_millis)
