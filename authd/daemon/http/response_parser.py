"""Parses STS's HTTP responses within bounds. llhttp does the framing (RFC 9112), without leniency."""

from __future__ import annotations

from http import HTTPStatus

import httptools
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.iweb import IResponse
from zope.interface import implementer

from authd.daemon.http.headers import FixedHeaders
from authd.daemon.http.message_parser import MessageParser, NotHTTP, is_chunked

#: A response of STS has about 1 KB with its headers. This bounds the memory that a hostile server can take.
MAX_ANSWER_BYTES = 32_768


class BadResponse(Exception):
    """The response is not framed as STS frames one. The message never holds the response's content."""


_DONE = Failure(ResponseDone())

_NO_HEADERS = FixedHeaders({})


@implementer(IResponse)
class Response:
    """A complete response, which delivers its body at once.

    It has no headers: the parser has consumed the framing headers, and the client reads no others.
    """

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
        """Deliver the whole body."""
        protocol.dataReceived(self._body)
        protocol.connectionLost(_DONE)

    def setPreviousResponse(self, response: IResponse) -> None:
        """Refuse: the client follows no redirect."""
        raise BadResponse("a redirect was followed")


class ResponseParser(MessageParser):
    """Parses one response, and refuses everything that STS does not send."""

    def __init__(self) -> None:
        super().__init__(httptools.HttpResponseParser)
        self.body = b""
        self.complete = False
        self.keep_alive = False
        self._begun = False
        self._in_headers = True
        self._framed = False
        self._received = 0

    def feed(self, data: bytes) -> None:
        """Parse bytes. Raises `BadResponse`."""
        self._received += len(data)
        if self._received > MAX_ANSWER_BYTES:
            raise BadResponse(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
        try:
            self.feed_parser(data)
        except NotHTTP:
            raise BadResponse("the answer is not HTTP/1.1") from None

    def response(self) -> Response:
        """Return the complete response."""
        return Response(self._parser.get_status_code(), self.body)

    def on_message_begin(self) -> None:
        """Begin the response, the only one to a request."""
        if self._begun:
            raise BadResponse("more than one answer to one request")
        self._begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Receive a header. Trailers are refused."""
        if not self._in_headers:
            raise BadResponse("header fields after the body")
        super().on_header(name, value)

    def frame(self, name: bytes, value: bytes) -> None:
        """Check that the body is not encoded, and framed only once."""
        if name == b"content-encoding":
            raise BadResponse("an encoded body, which was not asked for")
        if name == b"transfer-encoding" and (self._framed or not is_chunked(value)):
            raise BadResponse("an unknown transfer encoding")
        self._framed = self._framed or name in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        """Check version, status and framing."""
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
        self.keep_alive = bool(self._parser.should_keep_alive())  # llhttp forgets it with the next bytes
