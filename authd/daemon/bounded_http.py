"""HTTP/1.1 for small requests: twisted.web's own channel and request, with the limits where the bytes arrive.

No Site and no resource tree: parsing content types, forms and paths costs more than everything else that a
request needs here. Bodies stay in memory, since they are small; deadlines are absolute, so that a client which
drips bytes gains no time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress, IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, HTTPFactory, Request

from authd.daemon.deadlines import Deadlines

#: From the connection, or a request's first byte, to its last: kube-apiserver sends one in a millisecond.
REQUEST_SECONDS = 10.0
#: How long a connection may rest between requests; Go's client closes its own after 90 seconds.
IDLE_SECONDS = 120.0
#: How long a client that was told off may take to hang up.
_LAST_WORD_SECONDS = 2.0

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"

_PLAIN_HEADER = re.compile(rb"([A-Za-z0-9-]+):[ -~]*")
_LENGTH_HEADER = re.compile(rb"[A-Za-z-]+:[ \t]*[0-9]{1,19}[ \t]*")
_KEPT_HEADERS = frozenset({b"content-length", b"transfer-encoding", b"connection", b"expect"})
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


class BoundedRequest(Request):
    """One request: its body is counted as it arrives; `process` is called with it in `body`."""

    channel: BoundedChannel
    #: The longest body taken, in bytes, and the one method that is answered.
    max_body = 0
    allowed_method = b"GET"

    def __init__(self, channel: BoundedChannel, queued: object = False) -> None:  # noqa: FBT002  # twisted.web's own
        super().__init__(channel, queued)
        self.body = b""
        self._parts: list[bytes] = []
        self._size = 0
        self._refused = False

    def gotLength(self, length: int | None) -> None:
        """Refuse a body that announces itself as too long, before its first byte."""
        if length is not None and length > self.max_body:
            self._refuse_body()

    def handleContentChunk(self, data: bytes) -> None:
        """Take in a part of the body, up to the limit."""
        self._size += len(data)
        if self._refused:
            return
        if self._size > self.max_body:
            self._refuse_body()
        else:
            self._parts.append(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Answer, now that the request is complete."""
        if self._refused:
            return
        self.method, self.uri, self.clientproto = command, path, version
        self.path = path.partition(b"?")[0]
        self.body = b"".join(self._parts)
        self.process()

    def respond(self, status: int, content_type: bytes, body: bytes) -> None:
        """Write the whole answer and be done, unless the client has gone."""
        if self._disconnected:
            return
        if self.channel.factory.draining:
            self.channel.persistent = False
        line = _STATUS_LINES[status]
        if status == 405:  # noqa: PLR2004  # HTTP's Method Not Allowed
            line %= self.allowed_method
        head = b"Content-Type: %b\r\nContent-Length: %d\r\n" % (content_type, len(body))
        close = b"\r\n" if self.channel.persistent else b"Connection: close\r\n\r\n"
        self.startedWriting = 1
        self.channel.writeSequence([line, head, close, b"" if self.method == b"HEAD" else body])
        self.finish()

    def refuse(self, status: int, why: str) -> None:
        """Say that the request is not one for this server."""
        self.channel.factory.refused(status, why)
        self.respond(status, TEXT, why.encode() + b"\n")

    def _refuse_body(self) -> None:
        self._refused = True
        self.channel.factory.refused(413, "the body is too long")
        self.channel.hang_up(413)


class BoundedChannel(HTTPChannel):
    """One connection, with limits for headers and absolute deadlines."""

    factory: BoundedFactory
    transport: ITCPTransport
    persistent: bool
    maxHeaders = 50
    totalHeadersSize = 8_192
    MAX_LENGTH = 8_192
    _receivedHeaderCount: int  # HTTPChannel's own, which it resets for every request

    def __init__(self) -> None:
        super().__init__()
        self.deadline: float | None = None
        self.idle_since: float | None = None
        self._hanging_up = False

    def getPeer(self) -> IAddress:
        """Return the address of the other side, which every request asks for."""
        return self._peer

    def getHost(self) -> IAddress:
        """Return the address of this side."""
        return self._host

    def connectionMade(self) -> None:
        """Start the first deadline, which covers the TLS handshake too."""
        self._peer, self._host = self.transport.getPeer(), self.transport.getHost()
        super().connectionMade()
        self.idle_since = self.factory.seconds()
        self.deadline = self.idle_since + REQUEST_SECONDS
        self.factory.deadlines.add(self)

    def dataReceived(self, data: bytes) -> None:
        """Take in bytes; the first ones of a request start its deadline, the others don't move it."""
        if self._hanging_up:
            return  # a request that was refused half-way must not go on to be served
        if self.idle_since is not None:
            self.idle_since = None
            self.deadline = self.factory.seconds() + REQUEST_SECONDS
        super().dataReceived(data)

    def headerReceived(self, line: bytes) -> bool:
        """Keep the headers that HTTP itself needs; the others are counted, and no more."""
        match = _PLAIN_HEADER.fullmatch(line)
        name = match[1].lower() if match is not None else b""
        if match is not None and name not in _KEPT_HEADERS and self._receivedHeaderCount < self.maxHeaders:
            self._receivedHeaderCount += 1
            return True
        if name == b"content-length" and not _LENGTH_HEADER.fullmatch(line):
            self.hang_up(400)
            return False
        return bool(super().headerReceived(line))

    def allContentReceived(self) -> None:
        """Stop the deadline: what follows is bounded elsewhere."""
        self.deadline = None
        super().allContentReceived()

    def requestDone(self, request: Request) -> None:
        """Rest until the next request."""
        self.idle_since = self.factory.seconds()
        self.deadline = self.idle_since + IDLE_SECONDS
        super().requestDone(request)

    def hang_up(self, status: int) -> None:
        """Say no in the middle of a request, take no more of it and close."""
        self.transport.write(_STATUS_LINES[status] + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        self.deadline = self.factory.seconds() + _LAST_WORD_SECONDS
        self.loseConnection()

    def loseConnection(self) -> None:
        """Close when what was written is sent, and read nothing more; once is enough."""
        if not self._hanging_up:
            self._hanging_up = True
            super().loseConnection()

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a line that is longer than all headers together may be."""
        self.hang_up(400)

    def expire(self) -> None:
        """End the connection at once; gone in the reactor's next turn, it does not rest until then."""
        self.idle_since = None
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget the connection; work under way goes on for whoever else waits for it."""
        self.factory.deadlines.discard(self)
        super().connectionLost(reason)


class BoundedFactory(HTTPFactory):
    """Makes channels, and holds what they share; while `draining`, every answer is a connection's last."""

    noisy = False
    requestFactory: type[BoundedRequest] = BoundedRequest

    def __init__(self, reactor: IReactorTime) -> None:
        super().__init__(timeout=None, reactor=reactor)  # type: ignore[arg-type]  # None: deadlines are our own
        self.protocol = BoundedChannel  # type: ignore[assignment]  # without the proxy that would speak HTTP/2
        self.seconds: Callable[[], float] = reactor.seconds
        self.deadlines = Deadlines(self.seconds)
        self.draining = False

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Make the channel of a connection."""
        channel: Any = super().buildProtocol(addr)
        channel.factory = self
        channel.requestFactory = self.requestFactory
        return channel

    def refused(self, status: int, why: str) -> None:
        """Take note of a request that was not one for this server."""

    def startFactory(self) -> None:
        """Open no access log: an URL's query belongs in none."""

    def stopFactory(self) -> None:
        """Close no access log."""

    def log(self, request: Request) -> None:
        """Write no access log."""
