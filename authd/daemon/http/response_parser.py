"""STS's answers off the wire, within bounds: framing is llhttp's (RFC 9112), without leniency."""

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

#: STS answers in about 1 KB, headers included; this bounds what a lying server can make us hold.
MAX_ANSWER_BYTES = 32_768


class BadResponse(Exception):
    """The answer is not framed as STS frames it; the message says how, never with its content."""


_DONE = Failure(ResponseDone())

#: Headers that frame an answer are told from most others by the length of their names.
_FRAMING_LENGTHS = frozenset({len("content-length"), len("content-encoding"), len("transfer-encoding")})

_NO_HEADERS = FixedHeaders({})


@implementer(IResponse)
class Response:
    """An answer that is here already: its body is delivered at once.

    It has no headers: those that frame it have done their work, and nobody here reads others.
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
        """Deliver the body, and that it is whole."""
        protocol.dataReceived(self._body)
        protocol.connectionLost(_DONE)

    def setPreviousResponse(self, response: IResponse) -> None:
        """Refuse: no redirect is followed."""
        raise BadResponse("a redirect was followed")


class ResponseParser:
    """Collects one answer from llhttp's events, and refuses what STS does not send."""

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
        """Take in bytes; raises `BadResponse`."""
        self._received += len(data)
        if self._received > MAX_ANSWER_BYTES:
            raise BadResponse(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            raise BadResponse(str(error.__context__)) from None
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            raise BadResponse("the answer is not HTTP/1.1") from None

    def response(self) -> Response:
        """Return the answer, once it is complete."""
        return Response(self._parser.get_status_code(), self.body)

    def close(self) -> None:
        """Let go of the parser, which holds on to this object: neither then waits for the garbage collector."""
        self._parser = None

    def on_message_begin(self) -> None:
        """Note that the answer has begun."""
        if self._begun:
            raise BadResponse("more than one answer to one request")
        self._begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header."""
        if not self._in_headers:
            raise BadResponse("header fields after the body")
        if len(name) in _FRAMING_LENGTHS:
            self._frame(name.lower(), value)

    def _frame(self, name: bytes, value: bytes) -> None:
        if name == b"content-encoding":
            raise BadResponse("an encoded body, which was not asked for")
        if name == b"transfer-encoding" and (value.lower() != b"chunked" or self._framed):
            raise BadResponse("an unknown transfer encoding")
        self._framed = self._framed or name in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        """Note that the head is complete."""
        self._in_headers = False
        if self._parser.get_http_version() != "1.1" or self._parser.get_status_code() < HTTPStatus.OK:
            raise BadResponse("not a final answer of HTTP/1.1")
        if not self._framed:
            raise BadResponse("an answer that does not say where it ends")

    def on_body(self, body: bytes) -> None:
        """Take in a part of the body."""
        self.body += body

    def on_message_complete(self) -> None:
        """Note that the answer is complete."""
        self.complete = True
        self.keep_alive = bool(self._parser.should_keep_alive())  # only known until the parser goes on
