"""Timestamps of AWS and Kubernetes, without the datetime module, whose import takes a millisecond."""

from __future__ import annotations

from time import gmtime, strftime

_DIGITS = frozenset("0123456789")
#: First month of the computed year, so that a leap day is its last day.
_MARCH = 3


def compact(moment: int) -> str:
    """Return seconds since 1970 in the format of SigV4: yyyymmddThhmmssZ, in UTC."""
    return strftime("%Y%m%dT%H%M%SZ", gmtime(moment))


def rfc3339(moment: int) -> str:
    """Return seconds since 1970 in the format of Kubernetes: yyyy-mm-ddThh:mm:ssZ."""
    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(moment))


def parse_timestamp(text: str) -> int:
    """Return the seconds since 1970 of `yyyy-mm-ddThh:mm:ss` with `Z` or `+00:00`. Raises ValueError."""
    shape = "".join("0" if character in _DIGITS else character for character in text[:19])
    if shape != "0000-00-00T00:00:00" or text[19:] not in ("Z", "+00:00"):
        raise ValueError("not a timestamp in UTC")
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    moment = _days(year, month, day) * 86400 + int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])
    if rfc3339(moment)[:19] != text[:19]:
        raise ValueError("no such day or time")
    return moment


def _days(year: int, month: int, day: int) -> int:
    # Days since 1970-01-01 in the Gregorian calendar. The year begins in March, so that leap days come last.
    year -= month < _MARCH
    months = (month + 9) % 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * months + 2) // 5 + day - 1 - 719468
