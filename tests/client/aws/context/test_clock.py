from __future__ import annotations

import datetime as dt
from email.utils import format_datetime

import pytest

from authd.client.aws.context.clock import clock_message, seconds_ahead


def test_seconds_ahead() -> None:
    """The difference is the local time less the time in the Date header."""
    date = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    found = seconds_ahead({"date": format_datetime(date, usegmt=True)})
    assert found is not None
    assert 3600 <= found < 3660


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"date": ""},
        {"date": "soon"},
        {"date": "Mon, 99 Jan 2026 00:00:00 GMT"},
        {"date": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"},
        {"date": "Mon, 01 Jan 2026 00:00:00 +9999999999999"},
    ],
)
def test_an_invalid_date(headers: dict[str, str]) -> None:
    """Without a valid Date header the difference is unknown, which gives no message."""
    assert seconds_ahead(headers) is None
    assert clock_message(None, "STS") is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(300, None), (-300, None), (301, "5 minutes ahead of STS's"), (-7200, "2 hours behind STS's")],
)
def test_tolerance(seconds: float, words: str | None) -> None:
    """A difference of up to five minutes, which AWS allows, gives no message."""
    message = clock_message(seconds, "STS")
    assert (message is None) if words is None else (message is not None and words in message)
