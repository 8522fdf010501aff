"""Waits for a condition by polling. No duration is asserted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

#: Long enough for a busy machine.
GENEROUS_SECONDS = 45.0
_LOOK_SECONDS = 0.02


def wait_until(look: Callable[[], Found], what: str, seconds: float = GENEROUS_SECONDS) -> Found:
    """Return the first true result of `look`. Raises `AssertionError` with `what` if there is none in time."""
    limit = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > limit:
            raise AssertionError(f"waited {seconds:.0f} seconds in vain for {what}")
        time.sleep(_LOOK_SECONDS)
