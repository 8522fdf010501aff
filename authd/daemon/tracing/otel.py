"""Tracing with OpenTelemetry's SDK, which exports by OTLP over HTTP in a thread of its own.

The SDK reads the environment variables OTEL_…. The settings take precedence.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from authd import __version__
from authd.authentication.authenticator import InstanceNamer, STSCaller
from authd.config.settings import TracingSettings
from authd.core.errors import ConfigError, Problem
from authd.core.token import PresignedRequest
from authd.daemon.telemetry.bounded_lines import BoundedLines
from authd.daemon.telemetry.metrics import Metrics
from authd.daemon.tracing.export import BoundedQueue, CountedExporter
from authd.daemon.tracing.headers_file import read_headers
from authd.daemon.tracing.outcomes import SpanOutcome, publish_spans
from authd.daemon.tracing.session import CollectorSession
from authd.daemon.tracing.spans import TracedNames, TracedReviews, TracedSTS, add_status
from authd.daemon.tracing.tracing import Tracing
from authd.daemon.webhook import Decider

_log = Logger(namespace="authd.tracing")

#: At shutdown: the longest wait for the export of the last spans, in seconds.
STOP_SECONDS = 2.0
#: Lines about spans that were not exported: burst and rate per second.
_LINES, _LINES_PER_SECOND = 1.0, 1 / 60
_UNNAMED = "unknown_service"


class OpenTelemetry(Tracing):
    """Exports spans to the collector of the settings. Neither reviews nor a shutdown depend on the collector."""

    def __init__(
        self,
        reactor: Any,
        settings: TracingSettings,
        *,
        cluster_id: str,
        metrics: Metrics,
        scrubbed_accounts: Callable[[], frozenset[str]],
    ) -> None:
        self._reactor = reactor
        self._scrubbed_accounts = scrubbed_accounts
        self._endpoint = settings.endpoint
        self._counts = publish_spans(metrics)
        self._lines = BoundedLines(burst=_LINES, rate=_LINES_PER_SECOND, now=time.monotonic())
        self._lost = 0
        self._session = CollectorSession()
        with _sdk_warnings():
            exporter = CountedExporter(_exporter(settings, self._session), self._counts, self._export_failed)
            self._queue = BoundedQueue(exporter, self._counts, lambda: self._report(1, "it is too slow"))
            self._provider = TracerProvider(
                sampler=_sampler(settings), resource=_resource(cluster_id), shutdown_on_exit=False
            )
        self._provider.add_span_processor(self._queue)
        self._tracer = self._provider.get_tracer("authd", __version__)
        _log.info("spans are exported to {endpoint}", endpoint=settings.endpoint)

    def of_reviews(self, decider: Decider) -> Decider:
        """Return a decider that creates spans."""
        return TracedReviews(self._tracer, decider, self._scrubbed_accounts, self._flooded)

    def of_calls(self, ask_sts: STSCaller[PresignedRequest]) -> STSCaller[PresignedRequest]:
        """Return a caller of STS that creates spans."""
        return TracedSTS(self._tracer, ask_sts)

    def of_responses(self, on_response: Callable[[int], None]) -> Callable[[int], None]:
        """Return a callback that adds STS's HTTP status to the call's span."""

        def received(status: int) -> None:
            on_response(status)
            add_status(status)

        return received

    def of_names(self, instance_name: InstanceNamer) -> InstanceNamer:
        """Return a look-up of EC2 instances' names that creates spans."""
        return TracedNames(self._tracer, instance_name)

    async def stop(self) -> None:
        """Export the waiting spans for up to `STOP_SECONDS`, unless the last export has failed."""
        if not self._session.problem:
            await self._flushed()
        if unfinished := self._queue.unfinished:
            _log.warn(
                "{unfinished} spans were not exported to {endpoint} before the stop",
                unfinished=unfinished,
                endpoint=self._endpoint,
            )

    def _flushed(self) -> Deferred[None]:
        done: Deferred[None] = Deferred()

        def finish() -> None:
            if not done.called:
                done.callback(None)

        def flush() -> None:
            with suppress(Exception):  # the process ends anyway
                self._provider.shutdown()
            self._reactor.callFromThread(finish)

        # A daemon thread, because the process must end even if the collector never responds.
        threading.Thread(target=flush, name="authd-tracing-stop", daemon=True).start()
        late = self._reactor.callLater(STOP_SECONDS, finish)
        return done.addCallback(lambda _: late.cancel() if late.active() else None)

    def _flooded(self) -> None:
        self._counts[SpanOutcome.FLOOD] += 1

    def _export_failed(self, spans: int) -> None:
        self._reactor.callFromThread(self._report, spans, self._session.problem or "an internal error of the SDK")

    def _report(self, spans: int, problem: str) -> None:
        self._lost += spans
        if self._lines.permits(time.monotonic()):
            lost, self._lost = self._lost, 0
            _log.warn(
                "{lost} spans were not exported to {endpoint}: {problem}; logins are not affected",
                lost=lost,
                endpoint=self._endpoint,
                problem=problem,
            )


def _exporter(settings: TracingSettings, session: CollectorSession) -> OTLPSpanExporter:
    if settings.ca_file is not None:
        try:
            ssl.create_default_context(cafile=settings.ca_file)
        except (OSError, ssl.SSLError) as error:
            reason = "it holds no PEM certificate" if isinstance(error, ssl.SSLError) else error.strerror
            message = f"the certificate authorities for the collector can't be read: {reason}"
            raise ConfigError((Problem(file=settings.ca_file, line=0, column=0, message=message),)) from None
    headers = read_headers(settings.headers_file) if settings.headers_file is not None else None
    return OTLPSpanExporter(settings.endpoint, settings.ca_file, headers=headers, session=session)


def _sampler(settings: TracingSettings) -> Sampler | None:
    """Return the sampler of the settings, None for that of the environment variables."""
    if settings.sample_ratio is None:
        return None
    return ParentBased(TraceIdRatioBased(settings.sample_ratio))


def _resource(cluster_id: str) -> Resource:
    """Return the attributes of this process. Environment variables, such as OTEL_SERVICE_NAME, take precedence."""
    found = Resource.create()
    own = {"service.version": __version__, "host.name": socket.gethostname(), "authd.cluster_id": cluster_id}
    named = str(found.attributes.get("service.name", _UNNAMED))
    service = {"service.name": "authd"} if named.startswith(_UNNAMED) else {}
    return Resource(own).merge(found).merge(Resource(service))


class _Templates(logging.Handler):
    """Logs the SDK's warnings without their arguments, which could be headers."""

    def emit(self, record: logging.LogRecord) -> None:
        _log.warn("OpenTelemetry's SDK warns: {text}", text=str(record.msg)[:300])


@contextmanager
def _sdk_warnings() -> Iterator[None]:
    """Log the SDK's warnings about its variables. Later ones are silenced, because authd reports failed exports."""
    logger, handler = logging.getLogger("opentelemetry"), _Templates(logging.WARNING)
    for silent in (logger, logging.getLogger("urllib3")):
        silent.propagate = False
        silent.addHandler(logging.NullHandler())
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
