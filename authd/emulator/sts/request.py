"""A request as received, without decoding or normalization."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WireRequest:
    """One HTTP request, as the bytes received.

    `headers` keeps every header line, duplicates included. Names are lower-case, values trimmed.
    """

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""

    @property
    def path(self) -> bytes:
        """The request target up to its first question mark."""
        return self.target.partition(b"?")[0]

    @property
    def query(self) -> bytes:
        """The request target after its first question mark."""
        return self.target.partition(b"?")[2]

    def header_values(self, name: bytes) -> tuple[bytes, ...]:
        """Return every value of the header, in the order received. `name` is lower-case."""
        return tuple(value for key, value in self.headers if key == name)

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of the header, or None. `name` is lower-case."""
        return next((value for key, value in self.headers if key == name), None)

    def __repr__(self) -> str:
        """Show only the method: the query and the headers carry signatures and session tokens."""
        return f"<WireRequest {self.method!r}>"


def query_pairs(query: bytes) -> list[tuple[bytes, bytes]]:
    """Split a query string or form body into its still encoded names and values."""
    return [part.partition(b"=")[::2] for part in query.split(b"&") if part]
