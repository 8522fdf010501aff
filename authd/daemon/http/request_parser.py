"""Parses HTTP/1.1 requests with llhttp, strictly and within bounds (RFC 9112).

Only the framing headers, `Expect` and `traceparent` are read.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import httptools

#: Largest size of a request without its body, in bytes: head and chunk framing. kube-apiserver's has 250.
MAX_OVERHEAD = 8_192
MAX_HEADERS = 50


class BadRequest(Exception):
    """A malformed or too large request, refused with the HTTP `status`. `why` contains no bytes of the request."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class IncomingRequest:
    """One parsed request.

    `expects_continue` is True if the client waits for a 100 response before it sends the body, `persistent` if the
    connection stays open after the response. `traceparent` is that header's value, None if it is missing, empty if it
    is repeated.
    """

    __slots__ = ("body", "expects_continue", "method", "persistent", "target", "traceparent")

    def __init__(
        self, method: bytes = b"", target: bytes = b"", body: bytes = b"", *, persistent: bool = False
    ) -> None:
        self.method = method
        self.target = target
        self.body = body
        self.expects_continue = False
        self.persistent = persistent
        self.traceparent: bytes | None = None


class RequestParser:
    """Parses the requests of one connection, each with a body of at most `max_body` bytes, into `complete`.

    `current` is the request in progress. `ended` is True after the connection's last request. Later input is ignored.
    """

    def __init__(self, max_body: int) -> None:
        self.complete: deque[IncomingRequest] = deque()
        self.ended = False
        self._max_body = max_body
        self._parser: Any = httptools.HttpRequestParser(self)
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
        """Parse a bounded part of `data` and return the rest, so that pipelined requests can't block the reactor.

        Raises `BadRequest`, after which `feed` may not be called again.
        """
        if self.ended:
            return b""
        self._feed(data[:MAX_OVERHEAD])
        return b"" if self.ended else data[MAX_OVERHEAD:]

    def close(self) -> None:
        """Release the parser, to break the reference cycle. Later input is ignored."""
        self.ended = True
        self._parser = None

    def _feed(self, data: bytes) -> None:
        self._overhead += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self.ended:  # bytes after the last request are ignored
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
        """Note that a request has begun."""
        self._begun = True

    def on_url(self, url: bytes) -> None:
        """Receive a part of the request's target."""
        self.current.target += url
        self._head += len(url)
        if self._head > MAX_OVERHEAD:
            raise BadRequest(400, _LONG_HEAD)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Receive a header or trailer field."""
        self._headers += 1
        if self._headers > MAX_HEADERS:
            raise BadRequest(400, "too many headers")
        self._head += len(name) + len(value) + _AROUND_HEADER
        if self._head > MAX_OVERHEAD:
            raise BadRequest(400, _LONG_HEAD)
        if len(name) in _READ_LENGTHS:
            self._read(name.lower(), value)

    def _read(self, name: bytes, value: bytes) -> None:
        if name == b"content-length":
            self._length = int(value)
        if name == b"transfer-encoding":
            if self._chunked or value.lower() != b"chunked":
                raise BadRequest(400, "an unknown transfer encoding")
            self._chunked = True
        if name == b"expect":
            self._expects = value.lower() == b"100-continue"
        if name == b"traceparent" and not self._head_complete:  # not from a trailer
            self.current.traceparent = value.strip(b" \t") if self.current.traceparent is None else b""

    def on_headers_complete(self) -> None:
        """Note that the head is complete."""
        self._version = self._parser.get_http_version()
        if self._version not in ("1.1", "1.0"):
            raise BadRequest(400, "not a request of HTTP/1.1")
        if self._length > self._max_body:
            raise BadRequest(413, _TOO_LONG)
        self.current.expects_continue = self._expects
        self._head_complete = True

    def on_body(self, body: bytes) -> None:
        """Receive a part of the body, without chunk framing."""
        self._overhead -= len(body)
        self._size += len(body)
        if self._size > self._max_body:
            raise BadRequest(413, _TOO_LONG)
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """Append the request to `complete`."""
        parser, request = self._parser, self.current
        request.method = parser.get_method()
        request.body = b"".join(self._parts)
        # llhttp knows this only here. Upgrades are not supported, and HTTP/1.0 would need `Connection: keep-alive`.
        request.persistent = parser.should_keep_alive() and not parser.should_upgrade() and self._version == "1.1"
        self.ended = not request.persistent
        self.complete.append(request)
        self._begin()


_TOO_LONG = "the body is too long"
_LONG_HEAD = "the head is too long"
_AROUND_HEADER = len(": \r\n")

#: Lengths of the names that are read. They exclude most other headers without a comparison.
_READ_LENGTHS = frozenset(map(len, ("content-length", "transfer-encoding", "expect", "traceparent")))
