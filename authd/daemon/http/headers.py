"""Encodes the headers of an HTTP request. Constant ones are encoded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.web.http_headers import Headers


def header_lines(headers: Headers) -> bytes:
    """Encode headers, except Accept-Encoding."""
    return b"".join(
        b"%b: %b\r\n" % (name, value)
        for name, values in headers.getAllRawHeaders()
        if name.lower() != b"accept-encoding"  # the response parser refuses a compressed body
        for value in values
    )


class FixedHeaders(Headers):
    """Headers that never change. `lines` is their encoded form, and `copy` returns the same object."""

    def __init__(self, headers: Mapping[str, Sequence[str]]) -> None:
        super().__init__(headers)
        self.lines = header_lines(self)

    def copy(self) -> FixedHeaders:
        """Return this object."""
        return self

    def addRawHeader(self, name: str | bytes, value: str | bytes) -> None:
        """Ignore the header: treq would ask for a compressed response."""
