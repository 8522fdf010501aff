"""Points in time on a command line: `yesterday`, `90m`, `2026-11-27`, `2026-11-27T14:00`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_AGO = re.compile(r"([0-9]{1,6})\s*(m|min|h|d|days?|hours?|minutes?)(?:\s+ago)?")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def parse_since(text: str, now: datetime) -> datetime:
    """Return the time that a text means at `now`. Both have a timezone. A text without one has that of `now`.

    Raises `ValueError`.
    """
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"today": 0, "yesterday": 1}.get(text.lower())
    if days is not None:
        return midnight - timedelta(days=days)
    if ago := _AGO.fullmatch(text.lower()):
        return now - timedelta(**{_UNITS[ago[2][0]]: int(ago[1])})
    time = datetime.fromisoformat(text)
    return time if time.tzinfo is not None else time.replace(tzinfo=now.tzinfo)
