from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from authd.cli.why.since import parse_since

ZONE = timezone(timedelta(hours=2))
NOW = datetime(2026, 11, 27, 15, 30, 12, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", datetime(2026, 11, 27, tzinfo=ZONE)),
        ("Yesterday", datetime(2026, 11, 26, tzinfo=ZONE)),
        ("90m", NOW - timedelta(minutes=90)),
        ("2 hours ago", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=ZONE)),
        ("2026-11-01T10:00", datetime(2026, 11, 1, 10, tzinfo=ZONE)),
        ("2026-11-01T10:00Z", datetime(2026, 11, 1, 12, tzinfo=ZONE)),
    ],
)
def test_times(text, expected):
    """A time is a word, an age, a date, or a date with a time. Without a timezone it is local."""
    assert parse_since(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "soon", "5", "5 lightyears", "2026-13-01"])
def test_no_times(text):
    """Any other text is an error."""
    with pytest.raises(ValueError):
        parse_since(text, NOW)
