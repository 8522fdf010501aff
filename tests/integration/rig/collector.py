"""An OTLP/HTTP receiver that parses spans with OpenTelemetry's protobuf classes."""

from __future__ import annotations

import gzip
import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.rig.polling import wait_until
from tests.integration.rig.tls_server import serving


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRecord:
    """One exported span. IDs are hex digits, and `parent` is empty for a root."""

    name: str
    kind: int
    trace: str
    span: str
    parent: str
    attributes: dict[str, Any]
    failed: bool
    seconds: float
    resource: dict[str, Any]


class Collector(http.server.ThreadingHTTPServer):
    """Keeps spans, raw bodies and headers. `status` is that of each response."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Export)
        self.spans: list[SpanRecord] = []
        self.bodies: list[bytes] = []
        self.heads: list[tuple[str, dict[str, str]]] = []
        self.status = 200
        self.location = ""
        self.scheme = "http"
        self._may_respond = threading.Event()
        self._may_respond.set()

    @property
    def is_silent(self) -> bool:
        """Whether the collector sends no responses."""
        return not self._may_respond.is_set()

    def silence(self) -> None:
        """Send no responses until `end_silence`."""
        self._may_respond.clear()

    def end_silence(self) -> None:
        """Send responses again."""
        self._may_respond.set()

    def wait_to_respond(self) -> None:
        """Wait until responses may be sent."""
        self._may_respond.wait()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def wait_for(self, count: int) -> list[SpanRecord]:
        """Wait for a number of spans, and return all of them."""
        wait_until(lambda: len(self.spans) >= count, f"{count} spans")
        return list(self.spans)


class _Export(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Collector

    def do_POST(self) -> None:  # http.server's name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.heads.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.server.bodies.append(body)
        self.server.wait_to_respond()
        if self.server.status == 200:
            self.server.spans += _spans(body)
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def _spans(body: bytes) -> Iterator[SpanRecord]:
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _attributes(group.resource.attributes)
        for scope in group.scope_spans:
            assert scope.scope.name == "authd"
            for span in scope.spans:
                yield SpanRecord(
                    name=span.name,
                    kind=span.kind,
                    trace=span.trace_id.hex(),
                    span=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    attributes=_attributes(span.attributes),
                    failed=span.status.code == span.status.STATUS_CODE_ERROR,
                    seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                    resource=resource,
                )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@contextmanager
def collector(context: ssl.SSLContext | None = None) -> Iterator[Collector]:
    """Run a collector on a port of loopback, over TLS if there is a context."""
    server = Collector()
    if context is not None:
        server.scheme = "https"
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server):
        try:
            yield server
        finally:
            server.end_silence()
