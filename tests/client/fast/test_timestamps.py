from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.client.fast.timestamps import compact, parse_timestamp, rfc3339

_MOMENTS = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(9999, 12, 31))


@given(_MOMENTS)
def test_valid_times(moment: dt.datetime) -> None:
    """Every time since 1970 is formatted and parsed as by the datetime module."""
    moment = moment.replace(microsecond=0, tzinfo=dt.UTC)
    seconds = int(moment.timestamp())
    assert parse_timestamp(moment.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")) == seconds
    assert parse_timestamp(moment.isoformat()) == seconds
    assert compact(seconds) == moment.strftime("%Y%m%dT%H%M%SZ")
    assert rfc3339(seconds) == moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    "text",
    [
        "", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00+01:00", "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01 00:00:00Z",
        "２026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", "2026-00-10T00:00:00Z",
    ],
)  # fmt: skip
def test_invalid_times(text: str) -> None:
    """Another time zone, a short form or an impossible day is refused, and left to botocore's parser."""
    with pytest.raises(ValueError):
        parse_timestamp(text)
