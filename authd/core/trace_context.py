"""The trace that a request belongs to. Source: W3C, "Trace Context", section 3.2 (the header `traceparent`)."""

from __future__ import annotations

import re
from typing import NamedTuple

#: Version 00. An ID of zeros is invalid. Later versions are ignored, because their format may differ.
_TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_SAMPLED = 1


class TraceContext(NamedTuple):
    """A trace and one of its spans, as 32 and 16 lower-case hex digits. `sampled`: the caller records it."""

    trace_id: str
    span_id: str
    sampled: bool


def parse_traceparent(value: bytes) -> TraceContext | None:
    """Parse the header's value, already stripped. Returns None if it is not valid in version 00."""
    match = _TRACEPARENT.fullmatch(value)
    if match is None:
        return None
    return TraceContext(match[1].decode(), match[2].decode(), bool(int(match[3], 16) & _SAMPLED))
