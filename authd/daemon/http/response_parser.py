"""Parses STS's HTTP responses with llhttp, strictly and within bounds (RFC 9112)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httptools
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.iweb import IResponse
from zope.interface import implementer

from authd.daemon.http.headers import FixedHeaders

#: Bounds the memory that a hostile server can occupy. STS's responses have about 1 KB, with their headers.
MAX_RESPONSE_BYTES = 32_768


class BadResponse(Exception):
    """The response is malformed or not framed as STS's are. The message never contains a part of it."""


_DONE = Failure(ResponseDone())

#: Lengths of the framing headers' names. They exclude most other headers without a comparison.
_FRAMING_LENGTHS = frozenset({len("content-length"), len("content-encoding"), len("transfer-encoding")})

_NO_HEADERS = FixedHeaders({})


@implementer(IResponse)
class Response:
    """A complete response. Its body is delivered at once. It has no headers, because no caller uses them."""

    version = (b"HTTP", 1, 1)
    phrase = b""
    request = None
    previousResponse = None

    def __init__(self, code: int, body: bytes) -> None:
        self.code = code
        self.headers = _NO_HEADERS
        self.length = len(body)
        self._body = body

    def deliverBody(self, protocol: Protocol) -> None:
        """Deliver the complete body."""
        protocol.dataReceived(self._body)
        protocol.connectionLost(_DONE)

    def setPreviousResponse(self, response: IResponse) -> None:
        """Raise `BadResponse`, because redirects are not followed."""
        raise BadResponse("a redirect was followed")


class ResponseParser:
    """Parses one response. Refuses everything that STS does not send."""

    def __init__(self) -> None:
        self.body = b""
        self.complete = False
        self.keep_alive = False
        self._begun = False
        self._in_headers = True
        self._framed = False
        self._received = 0
        self._parser: Any = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Parse bytes. Raises `BadResponse`."""
        self._received += len(data)
        if self._received > MAX_RESPONSE_BYTES:
            raise BadResponse(f"the answer is longer than {MAX_RESPONSE_BYTES} bytes")
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            raise BadResponse(str(error.__context__)) from None
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            raise BadResponse("the answer is not HTTP/1.1") from None

    def response(self) -> Response:
        """Return the response. Valid if `complete` is True."""
        return Response(self._parser.get_status_code(), self.body)

    def close(self) -> None:
        """Release the parser, to break the reference cycle, so that no garbage collection is needed."""
        self._parser = None

    def on_message_begin(self) -> None:
        """Refuse a second response."""
        if self._begun:
            raise BadResponse("more than one answer to one request")
        self._begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Receive a header. Trailers are refused."""
        if not self._in_headers:
            raise BadResponse("header fields after the body")
        if len(name) in _FRAMING_LENGTHS:
            self._check_framing(name.lower(), value)

    def _check_framing(self, name: bytes, value: bytes) -> None:
        if name == b"content-encoding":
            raise BadResponse("an encoded body, which was not asked for")
        if name == b"transfer-encoding" and (value.lower() != b"chunked" or self._framed):
            raise BadResponse("an unknown transfer encoding")
        self._framed = self._framed or name in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        """Refuse an interim response, or one without framing."""
        self._in_headers = False
        if self._parser.get_http_version() != "1.1" or self._parser.get_status_code() < HTTPStatus.OK:
            raise BadResponse("not a final answer of HTTP/1.1")
        if not self._framed:
            raise BadResponse("an answer that does not say where it ends")

    def on_body(self, body: bytes) -> None:
        """Receive a part of the body."""
        self.body += body

    def on_message_complete(self) -> None:
        """Note that the response is complete."""
        self.complete = True
        self.keep_alive = bool(self._parser.should_keep_alive())  # llhttp knows this only here
