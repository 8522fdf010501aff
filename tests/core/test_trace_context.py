"""The header `traceparent`: only version 00 in its exact form is accepted."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.core.trace_context import TraceContext, parse_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("ff", True)])
def test_version_00(flags: str, sampled: bool) -> None:
    """The IDs are returned unchanged, and the last bit of the flags says whether the caller records the trace."""
    assert parse_traceparent(f"00-{TRACE}-{SPAN}-{flags}".encode()) == TraceContext(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "value",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0G",
        f"01-{TRACE}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"00-{TRACE}-{SPAN}-0A",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00_{TRACE}_{SPAN}_01",
        f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",
        f"00-{TRACE[:-1]}\u0663-{SPAN}-01",
        '00-"}' + TRACE[3:] + f"-{SPAN}-01",
    ],
)
def test_anything_else_is_no_trace(value: str) -> None:
    """Other versions, other characters, zeros, other lengths and lists are ignored."""
    assert parse_traceparent(value.encode()) is None


@given(st.binary(max_size=60) | st.from_regex(re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")))
def test_the_ids_need_no_escapes(value: bytes) -> None:
    """IDs are hex digits, and no header raises an exception."""
    trace = parse_traceparent(value)
    if trace is not None:
        assert re.fullmatch("[0-9a-f]{32}", trace.trace_id)
        assert re.fullmatch("[0-9a-f]{16}", trace.span_id)
