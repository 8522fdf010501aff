"""An HTTP/1.1 server for small requests, with limits on everything that a client can send.

twisted.web's Site parses headers that the daemon never reads, line by line, and that costs more than the rest of a
request. Bodies are small and stay in memory. Deadlines are absolute: a client that drips bytes gains no time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from twisted.internet.interfaces import IAddress, IPushProducer, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from authd.daemon.http.deadlines import Deadlines
from authd.daemon.http.request_parser import BadRequest, IncomingRequest, RequestParser

#: Time from a request's first byte (or the connection) to its last. kube-apiserver needs a millisecond.
REQUEST_SECONDS = 10.0
#: Time from a request's head to the last byte of its body. A client that sends the head has the body ready.
BODY_SECONDS = 2.0
#: Pipelined requests of one connection that are processed per reactor turn. kube-apiserver never pipelines.
_REQUESTS_PER_TURN = 4
#: Time that a connection may be idle. Go's client closes its own after 90 seconds.
IDLE_SECONDS = 120.0
#: Time that a client has to close after a bad request.
_CLOSE_SECONDS = 2.0

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"

_STATUS_LINES = {
    200: b"HTTP/1.1 200 OK\r\n",
    400: b"HTTP/1.1 400 Bad Request\r\n",
    404: b"HTTP/1.1 404 Not Found\r\n",
    405: b"HTTP/1.1 405 Method Not Allowed\r\nAllow: %b\r\n",
    413: b"HTTP/1.1 413 Content Too Large\r\n",
    429: b"HTTP/1.1 429 Too Many Requests\r\n",
    500: b"HTTP/1.1 500 Internal Server Error\r\n",
    502: b"HTTP/1.1 502 Bad Gateway\r\n",
    503: b"HTTP/1.1 503 Service Unavailable\r\n",
    504: b"HTTP/1.1 504 Gateway Timeout\r\n",
}
_METHOD_NOT_ALLOWED = HTTPStatus.METHOD_NOT_ALLOWED
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class BoundedRequest:
    """One request. The channel calls `process` once, which sends exactly one response, at once or later.

    `path` excludes the query. `traceparent` is the header's value, None if it is absent.
    """

    #: The longest body in bytes, and the only method of `path`.
    max_body = 0
    allowed_method = b"GET"

    def __init__(self, channel: BoundedChannel, incoming: IncomingRequest) -> None:
        self.channel = channel
        self.factory = channel.factory
        self.method, self.body = incoming.method, incoming.body
        self.path = incoming.target.partition(b"?")[0]
        self.traceparent = incoming.traceparent
        self.responded = False
        self._persistent = incoming.persistent

    def process(self) -> None:
        """Respond by `respond` or `refuse`."""
        raise NotImplementedError

    def respond(self, status: int, content_type: bytes, body: bytes) -> None:
        """Write the whole response."""
        self.responded = True
        persistent = self._persistent and not self.factory.draining
        line = _STATUS_LINES[status]
        if status == _METHOD_NOT_ALLOWED:
            line %= self.allowed_method
        head = b"Content-Type: %b\r\nContent-Length: %d\r\n" % (content_type, len(body))
        close = b"\r\n" if persistent else b"Connection: close\r\n\r\n"
        self.channel.send(line + head + close + (b"" if self.method == b"HEAD" else body), persistent=persistent)

    def refuse(self, status: int, why: str) -> None:
        """Refuse the request and close the connection, so that a client can't pipeline more bad requests."""
        self.factory.refused(status, why)
        self._persistent = False
        self.respond(status, TEXT, why.encode() + b"\n")


@implementer(IPushProducer)
class BoundedChannel(Protocol):
    """One connection, which answers one request at a time in their order, with absolute deadlines.

    The channel is the push producer of its transport. If the client does not read its responses, the channel stops
    reading requests.
    """

    transport: Any  # an ITCPTransport that is an IPushProducer itself

    def __init__(self, factory: BoundedFactory) -> None:
        self.factory: BoundedFactory = factory
        self.deadline: float | None = None
        self.idle_since: float | None = None
        self.stalled_since: float | None = None
        self._parser = RequestParser(factory.request_class.max_body)
        self._unread: deque[bytes] = deque()  # bytes that arrived during a review
        self._bad: BadRequest | None = None
        self._processing = self._pumping = self._yielding = self._in_body = False
        self._write_paused = self._paused = self._ending = False

    def connectionMade(self) -> None:
        """Start the first deadline, which includes the TLS handshake."""
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        self.idle_since = self.factory.seconds()
        self.deadline = self.idle_since + REQUEST_SECONDS
        self.factory.deadlines.add(self)

    def dataReceived(self, data: bytes) -> None:
        """Receive bytes. The first byte of a request starts its deadline, and later ones don't move it."""
        if self._ending or not data:
            return  # after a refusal, the rest of the request must not be parsed
        self._unread.append(data)
        if self._processing or self._write_paused or self._yielding:
            self._paused = True
            self.transport.pauseProducing()
        else:
            self._pump()

    def pauseProducing(self) -> None:
        """Stop responding until the client has read its responses, within a deadline."""
        self._write_paused = True
        self._stall(REQUEST_SECONDS)

    def resumeProducing(self) -> None:
        """Continue when the transport's buffer has room again."""
        self._write_paused = self._in_body = False
        self.deadline = self.stalled_since = None
        self._pump()

    def stopProducing(self) -> None:
        """Do nothing: `connectionLost` follows."""

    def send(self, data: bytes, *, persistent: bool) -> None:
        """Write a response unless the client has gone, then continue with the next request or close."""
        self._processing = False
        if self._ending:
            return
        self.transport.write(data)
        if not persistent:
            self._stall(REQUEST_SECONDS)  # for the client to read the response and to close
            self.loseConnection()
        else:
            self._pump()

    def _pump(self) -> None:
        """Parse and process requests until there is no input or a review is in progress.

        Does nothing if it is already running, as in a synchronous response, or scheduled for the next reactor turn.
        """
        if self._processing or self._pumping or self._yielding:
            return
        self._pumping = True
        processed = 0
        while not (self._processing or self._write_paused or self._ending):
            if processed >= _REQUESTS_PER_TURN:
                self._yielding = True
                self.factory.call_later(0, self._resume)
                break
            if self._parser.complete:
                processed += 1
                self._process_next(self._parser.complete.popleft())
            elif self._bad is not None:
                self._reject(self._bad)
            elif self._unread:
                self._read(self._unread.popleft())
            else:
                self._wait()
                break
        self._pumping = False

    def _resume(self) -> None:
        self._yielding = False
        self._pump()

    def _stall(self, seconds: float) -> None:
        """Give the client a deadline to continue. The connection may be ended sooner to make room."""
        self.idle_since = None
        self.stalled_since = self.factory.seconds()
        self.deadline = self.stalled_since + seconds

    def _read(self, data: bytes) -> None:
        try:
            if rest := self._parser.feed(data):
                self._unread.appendleft(rest)
        except BadRequest as error:
            self._bad = error

    def _process_next(self, incoming: IncomingRequest) -> None:
        if incoming.expects_continue:
            self._send_continue(incoming)
        self._processing = True
        self.idle_since = self.stalled_since = self.deadline = None  # the review has deadlines of its own
        self._in_body = False
        self.factory.request_class(self, incoming).process()

    def _send_continue(self, incoming: IncomingRequest) -> None:
        incoming.expects_continue = False
        self.transport.write(_CONTINUE)

    def _wait(self) -> None:
        """Wait for the rest of a request until its deadline, or for the next request."""
        if self._parser.current.expects_continue:
            self._send_continue(self._parser.current)
        if self._paused:
            self._paused = False
            self.transport.resumeProducing()
        now = self.factory.seconds()
        if not self._parser.in_request:
            self.idle_since, self.stalled_since = now, None
            self.deadline = now + IDLE_SECONDS
        elif self.deadline is None or self.idle_since is not None:
            self._stall(REQUEST_SECONDS)
        if self._parser.in_body and not self._in_body:
            self.deadline = min(self.deadline or now, now + BODY_SECONDS)
        self._in_body = self._parser.in_body

    def _reject(self, bad: BadRequest) -> None:
        """Refuse a bad request and close, without waiting for its end."""
        self.factory.refused(bad.status, bad.why)
        self.transport.write(_STATUS_LINES[bad.status] + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        self._stall(_CLOSE_SECONDS)
        self.loseConnection()

    def loseConnection(self) -> None:
        """Close after pending data is sent, and ignore further input."""
        if not self._ending:
            self._ending = True
            self.idle_since = None
            if self.stalled_since is None:
                self.stalled_since = self.factory.seconds()
            self._unread.clear()
            self.transport.unregisterProducer()  # otherwise the transport waits for the producer
            self.transport.loseConnection()

    def expire(self) -> None:
        """End the connection at once. It disappears in the next reactor turn and is not idle until then."""
        self._ending = True
        self.idle_since = self.stalled_since = None
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Remove the connection. Its review continues, because others may share it."""
        self._ending = True
        self._parser.close()
        self.factory.deadlines.discard(self)


class BoundedFactory(Factory):
    """Creates channels and holds their shared state. While `draining` is True, each response closes its connection."""

    noisy = False
    request_class: type[BoundedRequest] = BoundedRequest

    def __init__(self, reactor: IReactorTime) -> None:
        self.seconds: Callable[[], float] = reactor.seconds
        self.call_later: Callable[..., object] = reactor.callLater
        self.deadlines = Deadlines(self.seconds)
        self.draining = False

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Create the channel of a connection."""
        return BoundedChannel(self)

    def refused(self, status: int, why: str) -> None:
        """Record a refused request."""
