"""Finds the boundaries of TLS records in a stream by their headers."""

from __future__ import annotations

#: Size of a record's header in bytes. The last two are the length of the rest (RFC 8446, section 5.1).
_HEADER_SIZE = 5


class Records:
    """Tracks record boundaries in a stream, until a record's header is split between two reads."""

    __slots__ = ("_missing",)

    def __init__(self) -> None:
        self._missing = 0  # bytes of the last record, negative after a split header

    @property
    def at_boundary(self) -> bool:
        """Whether the last record is known to be complete."""
        return self._missing == 0

    def is_one(self, data: bytes) -> bool:
        """Return whether the next part of the stream is exactly one complete record."""
        size = len(data)
        if self._missing == 0 and size > _HEADER_SIZE and _HEADER_SIZE + (data[3] << 8 | data[4]) == size:
            return True
        if self._missing >= 0:
            place = self._missing
            while place + _HEADER_SIZE <= size:
                place += _HEADER_SIZE + (data[place + 3] << 8 | data[place + 4])
            self._missing = place - size
        return False
