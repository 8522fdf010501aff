"""Headers of an HTTP request as they are sent, written once where they are always the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.web.http_headers import Headers


def header_lines(headers: Headers) -> bytes:
    """Write headers, but none that asks for an encoded answer."""
    return b"".join(
        b"%b: %b\r\n" % (name, value)
        for name, values in headers.getAllRawHeaders()
        if name.lower() != b"accept-encoding"  # an encoded answer would be refused
        for value in values
    )


class FixedHeaders(Headers):
    """Headers that are the same for every request, written out once: whoever copies or adds to them gets the same."""

    def __init__(self, headers: Mapping[str, Sequence[str]]) -> None:
        super().__init__(headers)
        self.lines = header_lines(self)

    def copy(self) -> FixedHeaders:
        """Return the same."""
        return self

    def addRawHeader(self, name: str | bytes, value: str | bytes) -> None:
        """Add nothing: treq would ask for an encoded answer."""
