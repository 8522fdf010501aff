"""The webhook's HTTP layer: twisted.web's own channel and request, with the limits where the bytes arrive.

No Site and no resource tree: parsing content types, forms and paths costs more than everything else that a
review needs. What kube-apiserver does with each status is in docs/reasons.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import Protocol as Interface

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, HTTPFactory, Request

from authd.core.decision import Decision
from authd.core.errors import UnavailableReason
from authd.core.token_review import (
    MAX_REVIEW_LENGTH,
    InvalidReview,
    ReviewEncoder,
    ReviewRequest,
    decode_review,
    error_text,
)
from authd.daemon.deadlines import Deadlines

#: From the connection, or a request's first byte, to its last: kube-apiserver sends one in a millisecond.
REQUEST_SECONDS = 10.0
#: How long a connection may rest between requests; Go's client closes its own after 90 seconds.
IDLE_SECONDS = 120.0
#: How long a client that was told off may take to hang up.
_LAST_WORD_SECONDS = 2.0

_PATH = b"/authenticate"
_TEXT = b"text/plain; charset=utf-8"
_JSON = b"application/json"
_STATUS_LINES = {
    200: b"HTTP/1.1 200 OK\r\n",
    400: b"HTTP/1.1 400 Bad Request\r\n",
    404: b"HTTP/1.1 404 Not Found\r\n",
    405: b"HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\n",
    413: b"HTTP/1.1 413 Content Too Large\r\n",
    429: b"HTTP/1.1 429 Too Many Requests\r\n",
    500: b"HTTP/1.1 500 Internal Server Error\r\n",
    502: b"HTTP/1.1 502 Bad Gateway\r\n",
    503: b"HTTP/1.1 503 Service Unavailable\r\n",
    504: b"HTTP/1.1 504 Gateway Timeout\r\n",
}

#: What makes kube-apiserver do the right thing: it retries 429, 502 and 504, and takes 503 for an outage.
STATUS: dict[str, int] = {
    UnavailableReason.STS_THROTTLED: 429,
    UnavailableReason.STS_ERROR: 502,
    UnavailableReason.STS_BAD_ANSWER: 502,
    UnavailableReason.STS_UNREACHABLE: 502,
    UnavailableReason.STS_TIMEOUT: 504,
    UnavailableReason.OVERLOADED: 503,
    UnavailableReason.CIRCUIT_OPEN: 503,
    UnavailableReason.SHUTTING_DOWN: 503,
}


class Decides(Interface):
    """Decides about tokens; see `authenticator.Authenticator.decide`."""

    async def decide(self, review: ReviewRequest, /) -> Decision:
        """Decide about one token; never raises."""
        ...


class Records(Interface):
    """Takes note of what happened: once for each decision, once for each request that is no TokenReview."""

    def decided(self, decision: Decision, elapsed: float, status: int) -> None:
        """Note a decision that took `elapsed` seconds and was answered with an HTTP status."""
        ...

    def refused(self, status: int, why: str) -> None:
        """Note a request that was not a TokenReview."""
        ...


class WebhookRequest(Request):
    """One request: its body is counted as it arrives and kept in memory, since it is small by then."""

    channel: WebhookChannel

    def __init__(self, channel: WebhookChannel, queued: object = False) -> None:  # noqa: FBT002  # twisted.web's own
        super().__init__(channel, queued)
        self._webhook = channel.factory
        self._body: list[bytes] = []
        self._size = 0
        self._refused = False

    def gotLength(self, length: int | None) -> None:
        """Refuse a body that announces itself as too long, before its first byte."""
        if length is not None and length > MAX_REVIEW_LENGTH:
            self._refuse_body()

    def handleContentChunk(self, data: bytes) -> None:
        """Take in a part of the body, up to the limit."""
        self._size += len(data)
        if self._refused:
            return
        if self._size > MAX_REVIEW_LENGTH:
            self._refuse_body()
        else:
            self._body.append(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Answer, now that the request is complete."""
        if self._refused:
            return
        self.method, self.uri, self.clientproto = command, path, version
        self.path = path.partition(b"?")[0]
        self.process()

    def process(self) -> None:
        """Route by exact path and method, and answer."""
        if self.path == _PATH and self.method == b"POST":
            self._review(b"".join(self._body))
        elif self.path == _PATH:
            self._reject(405, "reviews are posted")
        elif self.path == b"/healthz" and self.method in (b"GET", b"HEAD"):
            self._respond(200, _TEXT, b"" if self.method == b"HEAD" else b"ok\n")
        else:
            self._reject(404, "no such path: reviews are posted to /authenticate")

    def _review(self, body: bytes) -> None:
        try:
            review = decode_review(body)
        except InvalidReview as error:
            self._reject(400, str(error))
        else:
            self._webhook.under_review += 1
            Deferred.fromCoroutine(self._answer(review)).addErrback(self._broken)

    async def _answer(self, review: ReviewRequest) -> None:
        webhook = self._webhook
        started = webhook.seconds()
        try:
            decision = await webhook.authenticator.decide(review)
        finally:
            webhook.under_review -= 1
        status = STATUS.get(decision.reason, 200)
        webhook.records.decided(decision, webhook.seconds() - started, status)
        if status == 200:  # noqa: PLR2004  # HTTP's OK
            self._respond(200, _JSON, webhook.encoder().encode(decision, review.api_version))
        else:
            self._respond(status, _TEXT, error_text(decision).encode() + b"\n")

    def _broken(self, failure: Failure) -> None:
        self._log.failure("answering a review failed", failure=failure)
        if not self.startedWriting:
            self._respond(500, _TEXT, b"an internal error; see the daemon's log\n")

    def _reject(self, status: int, why: str) -> None:
        self._webhook.records.refused(status, why)
        self._respond(status, _TEXT, why.encode() + b"\n")

    def _respond(self, status: int, content_type: bytes, body: bytes) -> None:
        if self._disconnected:
            return
        if self._webhook.draining:
            self.channel.persistent = False
        head = b"Content-Type: %b\r\nContent-Length: %d\r\n" % (content_type, len(body))
        close = b"" if self.channel.persistent else b"Connection: close\r\n"
        self.startedWriting = 1
        self.channel.writeSequence([_STATUS_LINES[status], head, close, b"\r\n", body])
        self.finish()

    def _refuse_body(self) -> None:
        self._refused = True
        self._webhook.records.refused(413, "the body is too long for a TokenReview")
        self.channel.refuse(413)


class WebhookChannel(HTTPChannel):
    """One connection, with limits for headers and absolute deadlines."""

    factory: WebhookFactory
    requestFactory = WebhookRequest  # type: ignore[assignment]  # declared as the base class itself
    transport: ITCPTransport
    persistent: bool
    maxHeaders = 50
    totalHeadersSize = 8_192
    MAX_LENGTH = 8_192

    def __init__(self) -> None:
        super().__init__()
        self.deadline: float | None = None
        self.idle_since: float | None = None

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
        if self.idle_since is not None:
            self.idle_since = None
            self.deadline = self.factory.seconds() + REQUEST_SECONDS
        super().dataReceived(data)

    def allContentReceived(self) -> None:
        """Stop the deadline: what follows has the STS client's."""
        self.deadline = None
        super().allContentReceived()

    def requestDone(self, request: Request) -> None:
        """Rest until the next request."""
        self.idle_since = self.factory.seconds()
        self.deadline = self.idle_since + IDLE_SECONDS
        super().requestDone(request)

    def refuse(self, status: int) -> None:
        """Say no in the middle of a request, take no more of it and close."""
        self.transport.write(_STATUS_LINES[status] + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        self.deadline = self.factory.seconds() + _LAST_WORD_SECONDS
        self.loseConnection()

    def expire(self) -> None:
        """End the connection at once."""
        self.idle_since = None
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget the connection; a review under way goes on for whoever else waits for it."""
        self.factory.deadlines.discard(self)
        super().connectionLost(reason)


class WebhookFactory(HTTPFactory):
    """Makes channels, and holds what they share.

    `encoder` returns the encoder of the settings in force; `under_review` counts decisions under way; while
    `draining`, every answer is a connection's last.
    """

    noisy = False

    def __init__(
        self, reactor: IReactorTime, authenticator: Decides, records: Records, encoder: Callable[[], ReviewEncoder]
    ) -> None:
        super().__init__(timeout=None, reactor=reactor)  # type: ignore[arg-type]  # None: deadlines are our own
        self.protocol = WebhookChannel  # type: ignore[assignment]  # without the proxy that would speak HTTP/2
        self.seconds: Callable[[], float] = reactor.seconds
        self.authenticator = authenticator
        self.records = records
        self.encoder = encoder
        self.deadlines = Deadlines(self.seconds)
        self.under_review = 0
        self.draining = False

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Make the channel of a connection."""
        channel = super().buildProtocol(addr)
        channel.factory = self  # type: ignore[union-attr]
        return channel

    def startFactory(self) -> None:
        """Open no access log: a decision has an event of its own, and an URL's query belongs in none."""

    def stopFactory(self) -> None:
        """Close no access log."""

    def log(self, request: Request) -> None:
        """Write no access log."""
