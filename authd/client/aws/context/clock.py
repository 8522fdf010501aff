"""Comparison of this machine's clock with AWS's."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any

# AWS, "Signature Version 4": signed calls may be off by five minutes either way.
_CLOCK_TOLERANCE_SECONDS = 300


def clock_message(seconds: float | None, source: str) -> str | None:
    """Return a message about a clock that is `seconds` ahead of that of `source`.

    Returns None if the difference is unknown or within AWS's tolerance.
    """
    if seconds is None or abs(seconds) <= _CLOCK_TOLERANCE_SECONDS:
        return None
    amount = f"{abs(seconds) / 60:.0f} minutes" if abs(seconds) < 2 * 3600 else f"{abs(seconds) / 3600:.0f} hours"
    direction = "ahead of" if seconds > 0 else "behind"
    return (
        f"this machine's clock is {amount} {direction} {source}'s, and AWS allows 5 minutes; "
        "set it (`timedatectl set-ntp true`) and try again"
    )


def seconds_ahead(headers: Any) -> float | None:
    """Return the seconds by which our clock is ahead of the Date header, or None without a valid one."""
    try:
        return time.time() - parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
