"""The part of HTTP/1.1 parsing that requests and responses share: llhttp without leniency, and framing headers.

Source: RFC 9112, sections 6 and 7. The subclasses add the rules and bounds of their kind of message.
"""

from __future__ import annotations

from typing import Any

import httptools

#: Framing headers are recognised by the length of their names first: most headers frame nothing.
_FRAMING_LENGTHS = frozenset(map(len, ("content-length", "content-encoding", "transfer-encoding", "expect")))


class NotHTTP(Exception):
    """The bytes are not a message of HTTP/1.1. The text never holds any of them."""


class MessageParser:
    """Feeds bytes to llhttp and receives its events. `close` breaks the reference cycle between the two."""

    def __init__(self, make_parser: Any) -> None:
        self._parser: Any = make_parser(self)

    def feed_parser(self, data: bytes) -> None:
        """Parse bytes. Raises `NotHTTP`, and the exceptions of the events' methods."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            raise NotHTTP from None

    def close(self) -> None:
        """Release the parser, so that neither object waits for the garbage collector."""
        self._parser = None

    def on_header(self, name: bytes, value: bytes) -> None:
        """Receive a header of the head, or a trailer."""
        if len(name) in _FRAMING_LENGTHS:
            self.frame(name.lower(), value)

    def frame(self, name: bytes, value: bytes) -> None:
        """Receive a header that may frame the message; `name` is in lower case."""
        raise NotImplementedError


def is_chunked(value: bytes) -> bool:
    """Return whether a Transfer-Encoding is the only one that this parser supports."""
    return value.lower() == b"chunked"
