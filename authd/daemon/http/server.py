"""HTTP/1.1 for small requests, with the limits where the bytes arrive.

No Site, no resource tree and no channel that reads line by line: parsing what nobody looks at costs more than
everything else that a request needs here. Bodies stay in memory, since they are small; deadlines are absolute, so
that a client which drips bytes gains no time.
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

#: From the connection, or a request's first byte, to its last: kube-apiserver sends one in a millisecond.
REQUEST_SECONDS = 10.0
#: From a request's head to the last byte of its body. A client that sends the head has the body ready.
BODY_SECONDS = 2.0
#: How many requests of one connection are answered before other connections get their turn. kube-apiserver never
#: sends a second request before it has the first one's response.
_REQUESTS_PER_TURN = 4
#: How long a connection may rest between requests; Go's client closes its own after 90 seconds.
IDLE_SECONDS = 120.0
#: How long a client that was told off may take to hang up.
_LAST_WORD_SECONDS = 2.0

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
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class BoundedRequest:
    """One request on its way to its answer: `process` is called once, and answers then or later, once.

    `path` is without the query.
    """

    #: The longest body taken, in bytes, and the one method that is answered.
    max_body = 0
    allowed_method = b"GET"

    def __init__(self, channel: BoundedChannel, incoming: IncomingRequest) -> None:
        self.channel = channel
        self.factory = channel.factory
        self.method, self.body = incoming.method, incoming.body
        self.path = incoming.target.partition(b"?")[0]
        self.answered = False
        self._persistent = incoming.persistent

    def process(self) -> None:
        """Answer by `respond` or `refuse`."""
        raise NotImplementedError

    def respond(self, status: int, content_type: bytes, body: bytes) -> None:
        """Write the whole answer and be done."""
        self.answered = True
        persistent = self._persistent and not self.factory.draining
        line = _STATUS_LINES[status]
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            line %= self.allowed_method
        head = b"Content-Type: %b\r\nContent-Length: %d\r\n" % (content_type, len(body))
        close = b"\r\n" if persistent else b"Connection: close\r\n\r\n"
        self.channel.answer(line + head + close + (b"" if self.method == b"HEAD" else body), persistent=persistent)

    def refuse(self, status: int, why: str) -> None:
        """Say that the request is not one for this server, and close: whoever pipelines more of them must reconnect."""
        self.factory.refused(status, why)
        self._persistent = False
        self.respond(status, TEXT, why.encode() + b"\n")


@implementer(IPushProducer)
class BoundedChannel(Protocol):
    """One connection: it answers one request at a time, in their order, and has absolute deadlines.

    For its transport it is the producer of answers: one who asks without reading them is not read on either.
    """

    transport: Any  # an ITCPTransport that is an IPushProducer itself

    def __init__(self, factory: BoundedFactory) -> None:
        self.factory: BoundedFactory = factory
        self.deadline: float | None = None
        self.idle_since: float | None = None
        self.stalled_since: float | None = None
        self._reader = RequestParser(factory.request_class.max_body)
        self._unread: deque[bytes] = deque()  # what came while a request was being answered
        self._bad: BadRequest | None = None
        self._answering = self._pumping = self._yielding = self._in_body = False
        self._write_paused = self._paused = self._ending = False

    def connectionMade(self) -> None:
        """Start the first deadline, which covers the TLS handshake too."""
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        self.idle_since = self.factory.seconds()
        self.deadline = self.idle_since + REQUEST_SECONDS
        self.factory.deadlines.add(self)

    def dataReceived(self, data: bytes) -> None:
        """Take in bytes; the first ones of a request start its deadline, the others don't move it."""
        if self._ending or not data:
            return  # a request that was refused half-way must not go on to be served
        self._unread.append(data)
        if self._answering or self._write_paused or self._yielding:
            self._paused = True
            self.transport.pauseProducing()
        else:
            self._pump()

    def pauseProducing(self) -> None:
        """Answer nothing more until what was answered is on its way, which must not take long."""
        self._write_paused = True
        self._stall(REQUEST_SECONDS)

    def resumeProducing(self) -> None:
        """Go on: there is room for answers again."""
        self._write_paused = self._in_body = False
        self.deadline = self.stalled_since = None
        self._pump()

    def stopProducing(self) -> None:
        """Answer nothing more: `connectionLost` follows."""

    def answer(self, data: bytes, *, persistent: bool) -> None:
        """Write an answer, unless the client has gone, and go on to the next request or end."""
        self._answering = False
        if self._ending:
            return
        self.transport.write(data)
        if not persistent:
            self._stall(REQUEST_SECONDS)  # to take the answer, and to close too
            self.loseConnection()
        else:
            self._pump()

    def _pump(self) -> None:
        """Answer what is complete and read what is here, until nothing is left or an answer takes its time.

        Does nothing if it is under way already, as after an answer that was there at once, or continues next turn.
        """
        if self._answering or self._pumping or self._yielding:
            return
        self._pumping = True
        answered = 0
        while not (self._answering or self._write_paused or self._ending):
            if answered >= _REQUESTS_PER_TURN:
                self._yielding = True
                self.factory.call_later(0, self._resume)
                break
            if self._reader.complete:
                answered += 1
                self._answer_next(self._reader.complete.popleft())
            elif self._bad is not None:
                self._hang_up(self._bad)
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
        """Wait for the client to go on for at most some seconds; it may be ended sooner to make room."""
        self.idle_since = None
        self.stalled_since = self.factory.seconds()
        self.deadline = self.stalled_since + seconds

    def _read(self, data: bytes) -> None:
        try:
            if rest := self._reader.feed(data):
                self._unread.appendleft(rest)
        except BadRequest as error:
            self._bad = error

    def _answer_next(self, incoming: IncomingRequest) -> None:
        if incoming.expects_continue:
            self._send_continue(incoming)
        self._answering = True
        self.idle_since = self.stalled_since = self.deadline = None  # what follows is bounded elsewhere
        self._in_body = False
        self.factory.request_class(self, incoming).process()

    def _send_continue(self, incoming: IncomingRequest) -> None:
        incoming.expects_continue = False
        self.transport.write(_CONTINUE)

    def _wait(self) -> None:
        """Wait for the rest of a request, until its deadline, or for another one."""
        if self._reader.current.expects_continue:
            self._send_continue(self._reader.current)
        if self._paused:
            self._paused = False
            self.transport.resumeProducing()
        now = self.factory.seconds()
        if not self._reader.in_request:
            self.idle_since, self.stalled_since = now, None
            self.deadline = now + IDLE_SECONDS
        elif self.deadline is None or self.idle_since is not None:
            self._stall(REQUEST_SECONDS)
        if self._reader.in_body and not self._in_body:
            self.deadline = min(self.deadline or now, now + BODY_SECONDS)
        self._in_body = self._reader.in_body

    def _hang_up(self, bad: BadRequest) -> None:
        """Say no in the middle of a request, take no more of it and close."""
        self.factory.refused(bad.status, bad.why)
        self.transport.write(_STATUS_LINES[bad.status] + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        self._stall(_LAST_WORD_SECONDS)
        self.loseConnection()

    def loseConnection(self) -> None:
        """Close when what was written is sent, and read nothing more."""
        if not self._ending:
            self._ending = True
            self.idle_since = None
            if self.stalled_since is None:
                self.stalled_since = self.factory.seconds()
            self._unread.clear()
            self.transport.unregisterProducer()  # or the transport would wait for more to send
            self.transport.loseConnection()

    def expire(self) -> None:
        """End the connection at once; gone in the reactor's next turn, it does not rest until then."""
        self._ending = True
        self.idle_since = self.stalled_since = None
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget the connection; work under way goes on for whoever else waits for it."""
        self._ending = True
        self._reader.close()
        self.factory.deadlines.discard(self)


class BoundedFactory(Factory):
    """Makes channels, and holds what they share; while `draining`, every answer is a connection's last."""

    noisy = False
    request_class: type[BoundedRequest] = BoundedRequest

    def __init__(self, reactor: IReactorTime) -> None:
        self.seconds: Callable[[], float] = reactor.seconds
        self.call_later: Callable[..., object] = reactor.callLater
        self.deadlines = Deadlines(self.seconds)
        self.draining = False

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Make the channel of a connection."""
        return BoundedChannel(self)

    def refused(self, status: int, why: str) -> None:
        """Take note of a request that was not one for this server."""
