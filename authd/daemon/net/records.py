"""Boundaries of TLS records in a stream, without a look at their content."""

from __future__ import annotations

#: Bytes of a record's header. The last two are the length of the rest (RFC 8446, section 5.1).
_HEADER_SIZE = 5


class Records:
    """Tracks record boundaries in a stream, as long as no record's header is split between two reads."""

    __slots__ = ("_missing",)

    def __init__(self) -> None:
        self._missing = 0  # bytes of the last record; below 0 if a record's header was split

    @property
    def at_boundary(self) -> bool:
        """Whether the last record is known to have arrived whole."""
        return self._missing == 0

    def is_one(self, data: bytes) -> bool:
        """Return whether the next piece of the stream is one whole record and nothing else."""
        size = len(data)
        if self._missing == 0 and size > _HEADER_SIZE and _HEADER_SIZE + (data[3] << 8 | data[4]) == size:
            return True
        if self._missing >= 0:
            place = self._missing
            while place + _HEADER_SIZE <= size:
                place += _HEADER_SIZE + (data[place + 3] << 8 | data[place + 4])
            self._missing = place - size
        return False
