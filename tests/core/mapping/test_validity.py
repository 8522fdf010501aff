"""Times of rules: their grammar, and whether a rule is in force at a given second."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.core.mapping.validity import ALWAYS, NO_TIME, Timetable, Validity, parse_time, time_text, timetable_of

#: 2030-12-31T18:00:00Z
TIME = 1_924_970_400.0


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2030-12-31T18:00:00Z", TIME),
        ("2030-12-31", TIME - 18 * 3600),
        ("1970-01-01T00:00:00Z", 0.0),
        ("1969-12-31T23:59:59Z", -1.0),
        ("2024-02-29", 1_709_164_800.0),
        ("0001-01-01", -62_135_596_800.0),
        ("9999-12-31T23:59:59Z", 253_402_300_799.0),
    ],
)
def test_times(text, time):
    """A time is one second in UTC, and a date its first second."""
    assert parse_time(text) == time
    assert time_text(time).startswith(text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "2030-12-31 18:00:00Z", "2030-12-31T18:00:00", "2030-12-31T18:00:00+00:00", "2030-12-31T18:00:00z",
        "2030-12-31t18:00:00Z", "2030-12-31T18:00:00.5Z", "2030-12-31T18:00Z", "2030-12-31T18:00:00Z\n", " 2030-12-31",
        "2030-12-3", "30-12-31", "20301231", "12030-12-31", "2030/12/31", "31.12.2030", "1924970400", "tomorrow",
        "\u0662030-12-31", "2030-12-31T18:00:00Z2030-12-31T18:00:00Z",
    ],
)  # fmt: skip
def test_other_texts(text):
    """A time in any other format is refused with an example."""
    with pytest.raises(ValueError, match=r"must be a time in UTC, such as 2030-12-31T18:00:00Z, or a date"):
        parse_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "2030-02-29",
        "2030-13-01",
        "2030-00-01",
        "2030-01-00",
        "0000-01-01",
        "2030-12-31T24:00:00Z",
        "2030-12-31T23:59:60Z",
    ],
)
def test_times_that_do_not_exist(text):
    """A date or second that the calendar does not have is refused."""
    with pytest.raises(ValueError, match="is not a calendar time"):
        parse_time(text)


@given(st.integers(-62_135_596_800, 253_402_300_799))
def test_round_trip(time):
    """A formatted time is parsed as the same second."""
    assert parse_time(time_text(time)) == time


def test_the_end_is_excluded():
    """A rule begins with the second of `validFrom`, and ends before that of `validUntil`."""
    validity = Validity(start=10.0, end=20.0)
    assert [validity.includes(now) for now in (9.999, 10.0, 19.999, 20.0)] == [False, True, True, False]
    assert not validity.includes(NO_TIME)
    assert not ALWAYS.includes(NO_TIME)
    assert ALWAYS.includes(0.0)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [((0, 10), (10, 20), False), ((0, 11), (10, 20), True), ((0, 5), (6, 7), False), ((0, 9), (2, 3), True)],
)
def test_overlaps(one, other, overlap):
    """Two times overlap if they share a second."""
    first, second = (Validity(start=start, end=end) for start, end in (one, other))
    assert first.overlaps(second) is second.overlaps(first) is overlap


def test_descriptions():
    """A rule is described by when it begins or ended, and by its limits' names."""
    validity = Validity(start=0.0, end=TIME)
    assert validity.fault_at(-1.0) == "begins at 1970-01-01T00:00:00Z"
    assert validity.fault_at(TIME) == "ended at 2030-12-31T18:00:00Z"
    assert Validity(start=0.0).fault_at(NO_TIME) == "begins at 1970-01-01T00:00:00Z"
    assert validity.members() == {"validFrom": "1970-01-01T00:00:00Z", "validUntil": "2030-12-31T18:00:00Z"}
    assert ALWAYS.members() == {}


def test_a_timetable():
    """A timetable has the next end, the number of idle rules, and a new period after each limit."""
    validities = [Validity(start=5.0, end=10.0), Validity(end=8.0), Validity(start=20.0), ALWAYS]
    timetable = timetable_of(validities, fallbacks=1)
    assert timetable == Timetable(starts=(5.0, 20.0), ends=(8.0, 10.0), fallbacks=1)
    times = (4.9, 5.0, 8.0, 10.0, 20.0)
    assert [timetable.period(now) for now in times] == [0, 1, 2, 3, 4]
    assert [timetable.next_end(now) for now in times] == [8.0, 8.0, 10.0, None, None]
    assert [timetable.ended(now) for now in times] == [0, 0, 1, 2, 2]
    assert [timetable.idle(now) for now in times] == [2, 1, 2, 3, 2]
    assert timetable_of([], 0).next_end(math.inf) is None
