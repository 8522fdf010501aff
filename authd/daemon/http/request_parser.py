"""Parses HTTP requests within bounds. llhttp does the framing (RFC 9112), without leniency.

Headers other than framing headers are dropped: the daemon reads none.
"""

from __future__ import annotations

from collections import deque

import httptools

from authd.daemon.http.message_parser import MessageParser, NotHTTP, is_chunked

#: Bytes of a request besides its body: the head and the framing of chunks. kube-apiserver's requests have 250.
MAX_OVERHEAD = 8_192
MAX_HEADERS = 50


class BadRequest(Exception):
    """A request that is refused: `status` is the HTTP status, and `why` never holds the request's bytes."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class IncomingRequest:
    """A parsed request.

    `expects_continue` is True if the client waits for a 100 response before it sends the body. `persistent` is True if
    the connection may outlive the response.
    """

    __slots__ = ("body", "expects_continue", "method", "persistent", "target")

    def __init__(
        self, method: bytes = b"", target: bytes = b"", body: bytes = b"", *, persistent: bool = False
    ) -> None:
        self.method = method
        self.target = target
        self.body = body
        self.expects_continue = False
        self.persistent = persistent


class RequestParser(MessageParser):
    """Parses the requests of one connection, each with a body of at most `max_body` bytes, into `complete`.

    `current` is the request in progress. `ended` is True after a request that announced the connection's end: the
    parser ignores the bytes after it.
    """

    def __init__(self, max_body: int) -> None:
        super().__init__(httptools.HttpRequestParser)
        self.complete: deque[IncomingRequest] = deque()
        self.ended = False
        self._max_body = max_body
        self._begin()

    @property
    def in_request(self) -> bool:
        """Whether a request has begun and is not complete."""
        return self._begun or self._overhead > 0

    @property
    def in_body(self) -> bool:
        """Whether a request's head is complete and its body is not."""
        return self._head_complete

    def feed(self, data: bytes) -> bytes:
        """Parse at most `MAX_OVERHEAD` bytes and return the rest, so that pipelined requests can't block the reactor.

        Raises `BadRequest`. Feed nothing after that.
        """
        if self.ended:
            return b""
        self._feed(data[:MAX_OVERHEAD])
        return b"" if self.ended else data[MAX_OVERHEAD:]

    def close(self) -> None:
        """Ignore further bytes and release the parser."""
        self.ended = True
        super().close()

    def _feed(self, data: bytes) -> None:
        self._overhead += len(data)
        try:
            self.feed_parser(data)
        except NotHTTP:
            if not self.ended:  # bytes after an announced end are ignored, whatever they are
                raise BadRequest(400, "not a request of HTTP/1.1") from None
        if self._overhead > MAX_OVERHEAD:
            raise BadRequest(400, "too much besides a body")

    def _begin(self) -> None:
        self._begun = self._chunked = self._expects = self._head_complete = False
        self._overhead = self._head = self._headers = self._length = self._size = 0
        self._version = ""
        self._parts: list[bytes] = []
        self.current = IncomingRequest()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._begun = True

    def on_url(self, url: bytes) -> None:
        """Receive a part of the target."""
        self.current.target += url
        self._head += len(url)
        if self._head > MAX_OVERHEAD:
            raise BadRequest(400, _LONG_HEAD)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header or trailer."""
        self._headers += 1
        if self._headers > MAX_HEADERS:
            raise BadRequest(400, "too many headers")
        self._head += len(name) + len(value) + _HEADER_OVERHEAD
        if self._head > MAX_OVERHEAD:
            raise BadRequest(400, _LONG_HEAD)
        super().on_header(name, value)

    def frame(self, name: bytes, value: bytes) -> None:
        """Note the length, the transfer encoding and the expectation."""
        if name == b"content-length":
            self._length = int(value)
        if name == b"transfer-encoding":
            if self._chunked or not is_chunked(value):
                raise BadRequest(400, "an unknown transfer encoding")
            self._chunked = True
        if name == b"expect":
            self._expects = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        """Check the version and the announced length."""
        self._version = self._parser.get_http_version()
        if self._version not in ("1.1", "1.0"):
            raise BadRequest(400, "not a request of HTTP/1.1")
        if self._length > self._max_body:
            raise BadRequest(413, _TOO_LONG)
        self.current.expects_continue = self._expects
        self._head_complete = True

    def on_body(self, body: bytes) -> None:
        """Receive a part of the body, without the framing of chunks."""
        self._overhead -= len(body)
        self._size += len(body)
        if self._size > self._max_body:
            raise BadRequest(413, _TOO_LONG)
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """Move the complete request to `complete`."""
        parser, request = self._parser, self.current
        request.method = parser.get_method()
        request.body = b"".join(self._parts)
        # llhttp knows this only now. Other protocols are not supported, and HTTP/1.0 needs a Keep-Alive header.
        request.persistent = parser.should_keep_alive() and not parser.should_upgrade() and self._version == "1.1"
        self.ended = not request.persistent
        self.complete.append(request)
        self._begin()


_TOO_LONG = "the body is too long"
_LONG_HEAD = "the head is too long"
_HEADER_OVERHEAD = len(": \r\n")
