"""The time in which a rule is in force: `validFrom` and `validUntil`."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

#: No time is known. Tables with timed rules match nothing then, since every comparison with NaN is false.
NO_TIME = math.nan

#: RFC 3339, section 5.6: `full-date`, or `date-time` in UTC without a fraction of a second.
_TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:T([0-9]{2}):([0-9]{2}):([0-9]{2})Z)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """A span of Unix time in seconds. It includes `start` and excludes `end`."""

    start: float = -math.inf
    end: float = math.inf

    def includes(self, now: float) -> bool:
        """Return whether the rule is in force at `now`."""
        return self.start <= now < self.end

    def overlaps(self, other: Validity) -> bool:
        """Return whether both are in force at some time."""
        return max(self.start, other.start) < min(self.end, other.end)

    def fault_at(self, now: float) -> str:
        """Return why the rule is not in force at `now`, as the end of a sentence about the rule."""
        if now < self.start or self.end == math.inf:
            return f"begins at {time_text(self.start)}"
        return f"ended at {time_text(self.end)}"

    def members(self) -> dict[str, str]:
        """Return the rule's limits by the names of their settings."""
        limits = {"validFrom": self.start, "validUntil": self.end}
        return {name: time_text(limit) for name, limit in limits.items() if math.isfinite(limit)}


ALWAYS = Validity()


def parse_time(text: str) -> float:
    """Return the Unix time of an RFC 3339 time in UTC, or of the beginning of a date in UTC.

    Raises `ValueError` with the end of a sentence.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("must be a time in UTC, such as 2030-12-31T18:00:00Z, or a date, such as 2030-12-31")
    year, month, day, hour, minute, second = map(int, match.groups("0"))
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        raise ValueError("is not a calendar time: write a time such as 2030-12-31T18:00:00Z") from None


def time_text(time: float) -> str:
    """Format a Unix time in UTC by RFC 3339."""
    return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """The sorted starts and ends of a table's rules. `fallbacks` counts the earlier rules that others are linked to."""

    starts: tuple[float, ...] = ()
    ends: tuple[float, ...] = ()
    fallbacks: int = 0

    def period(self, now: float) -> int:
        """Return a number that changes whenever a rule begins or ends."""
        return bisect_right(self.starts, now) + bisect_right(self.ends, now)

    def next_end(self, now: float) -> float | None:
        """Return the time of the next end after `now`, None if no rule ends."""
        place = bisect_right(self.ends, now)
        return self.ends[place] if place < len(self.ends) else None

    def ended(self, now: float) -> int:
        """Return the number of rules that have ended."""
        return bisect_right(self.ends, now)

    def idle(self, now: float) -> int:
        """Return the number of rules that are not in force, because they have ended or have not begun."""
        return self.ended(now) + len(self.starts) - bisect_right(self.starts, now)


def timetable_of(validities: Iterable[Validity], fallbacks: int) -> Timetable:
    """Return the timetable of rules with these times."""
    known = list(validities)
    starts = tuple(sorted(each.start for each in known if math.isfinite(each.start)))
    ends = tuple(sorted(each.end for each in known if math.isfinite(each.end)))
    return Timetable(starts=starts, ends=ends, fallbacks=fallbacks)
