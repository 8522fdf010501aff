"""An HTTP/1.1 agent for STS: GET only, and one bounded response per request.

It is stricter than Twisted's agent at a quarter of the cost: it parses a response completely, within bounds, before the
caller receives it. A connection with an unexpected, excessive or untimely byte is closed and never reused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, cast
from typing import Protocol as Interface

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from authd.daemon.http.headers import FixedHeaders, header_lines
from authd.daemon.http.response_parser import BadResponse, ResponseParser
from authd.daemon.net.openssl_errors import openssl_reason

#: In seconds. Less than STS's own idle timeout, so that no request is sent on a connection that STS is closing.
IDLE_SECONDS = 4.0
_MAX_IDLE_PER_HOST = 256


class ConnectionEnded(Exception):
    """The connection ended before the response was complete."""


class EndpointForHost(Interface):
    """Provides the endpoint of a host."""

    def endpoint(self, host: str, /) -> IStreamClientEndpoint:
        """Return an endpoint whose connections have verified the host."""
        ...

    def route(self, host: str, /) -> str:
        """Describe the address of a host or its proxy, for error messages."""
        ...


class _Connection(Protocol):
    """One connection to one STS host, with at most one request at a time.

    It calls `release` with itself when it can take another request. It is part of no reference cycle, so that its TLS
    buffers are freed when it ends, without the garbage collector.
    """

    transport: Any  # a TLSConnection

    def __init__(self) -> None:
        self.reusable = False
        self.release: Callable[[_Connection], None] = _Connection.abort
        self._parser: ResponseParser | None = None
        self._waiting: Deferred[IResponse] | None = None

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)

    def send(self, request: bytes) -> Deferred[IResponse]:
        """Send one request and return its response. Cancelling the Deferred ends the connection."""
        self.reusable = False
        self._waiting = Deferred(lambda _: self._on_cancel())
        self.transport.write(request)
        return self._waiting

    def dataReceived(self, data: bytes) -> None:
        if self._waiting is None:
            self.abort()  # no request is in progress
            return
        if self.transport.has_unsent:
            self._finish(Failure(BadResponse("it began before the request was sent")))
            return
        parser = self._parser = self._parser or ResponseParser()
        try:
            parser.feed(data)
        except BadResponse:
            self._finish(Failure())
            return
        if parser.complete:
            self.reusable = parser.keep_alive
            self._finish(parser.response())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reusable = False
        self._finish(Failure(ConnectionEnded(_ended_by(reason))))

    def abort(self) -> None:
        """Close the connection at once. The waiting caller gets `ConnectionEnded`."""
        self.reusable = False
        self.transport.abortConnection()

    def _on_cancel(self) -> None:
        self._waiting = None  # the caller has gone
        self.abort()

    def _finish(self, result: IResponse | Failure) -> None:
        waiting, self._waiting = self._waiting, None
        if self._parser is not None:
            self._parser.close()
            self._parser = None
        if self.reusable:
            self.release(self)
        else:
            self.abort()
        if waiting is not None:
            waiting.callback(result)


def _ended_by(reason: Failure) -> str:
    if isinstance(reason.value, SSL.Error):
        causes = "the certificate is not trusted, not for this host, or the peer speaks no TLS"
        return f"TLS failed, {openssl_reason(reason.value)}: {causes}"
    return str(reason.type and reason.type.__name__)


@implementer(IAgent)
class STSAgent:
    """Sends GET requests over pooled connections.

    It has no timeout of its own: cancelling the Deferred ends the connection in every phase.
    """

    def __init__(self, reactor: Any, endpoints: EndpointForHost) -> None:
        self._reactor = reactor
        self._endpoints = endpoints
        self._factory = Factory.forProtocol(_Connection)
        self._factory.noisy = False
        self._idle: dict[str, deque[tuple[float, _Connection]]] = {}  # the longest idle connection first
        self._sweep: Any = None

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Send `GET https://<host>/<target>`. Fails with `BadResponse`, `ConnectionEnded` or a connect error."""
        prefix, _, rest = uri.partition(b"://")
        host, _, target = rest.partition(b"/")
        if method != b"GET" or prefix != b"https" or bodyProducer is not None:
            raise ValueError("only GET of an https URL is sent to STS")
        lines = headers.lines if isinstance(headers, FixedHeaders) else header_lines(headers or Headers())
        request = b"GET /%b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (target, host, lines)
        return self._exchange(host.decode("ascii"), request)

    def route(self, host: str) -> str:
        """Describe the address of a host or its proxy, for error messages."""
        return self._endpoints.route(host)

    def close_idle(self) -> None:
        """Close the idle connections. Those in use end after their responses."""
        idle, self._idle = self._idle, {}
        for _, connection in (entry for entries in idle.values() for entry in entries):
            connection.abort()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _exchange(self, host: str, request: bytes) -> Deferred[IResponse]:
        connection = self._take_idle(host)
        if connection is not None:
            return connection.send(request)
        connecting = self._endpoints.endpoint(host).connect(self._factory)
        return connecting.addCallback(lambda protocol: self._send_first(cast("_Connection", protocol), host, request))

    def _send_first(self, connection: _Connection, host: str, request: bytes) -> Deferred[IResponse]:
        connection.release = partial(self._keep, host)
        return connection.send(request)

    def _take_idle(self, host: str) -> _Connection | None:
        """Return the longest idle connection that has received nothing since its last response.

        Extra bytes after a response would be parsed as the next one's. The longest idle connection has had the most
        time to receive them.
        """
        entries = self._idle.get(host)
        while entries:
            since, connection = entries.popleft()
            if not connection.reusable:
                continue
            if self._reactor.seconds() - since < IDLE_SECONDS and not connection.transport.has_unread():
                return connection
            connection.abort()
        return None

    def _keep(self, host: str, connection: _Connection) -> None:
        entries = self._idle.setdefault(host, deque())
        if len(entries) >= _MAX_IDLE_PER_HOST:
            connection.abort()
            return
        entries.append((self._reactor.seconds(), connection))
        if self._sweep is None:
            self._sweep = self._reactor.callLater(IDLE_SECONDS, self._end_oldest)

    def _end_oldest(self) -> None:
        self._sweep = None
        limit = self._reactor.seconds() - IDLE_SECONDS
        for host, entries in list(self._idle.items()):
            for since, connection in list(entries):
                if since <= limit:
                    connection.abort()
            self._idle[host] = deque(entry for entry in entries if entry[1].reusable)
            if not self._idle[host]:
                del self._idle[host]
        if self._idle:
            self._sweep = self._reactor.callLater(IDLE_SECONDS / 4, self._end_oldest)
