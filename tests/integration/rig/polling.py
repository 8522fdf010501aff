"""Waiting for something to become true, by looking again and again; nothing here asserts how long it took."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

#: Long enough for a machine that is busy with other things.
GENEROUS_SECONDS = 45.0
_LOOK_SECONDS = 0.02


def wait_until(look: Callable[[], Found], what: str, seconds: float = GENEROUS_SECONDS) -> Found:
    """Return what `look` returns as soon as that is true; raises `AssertionError` naming `what` otherwise."""
    limit = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > limit:
            raise AssertionError(f"waited {seconds:.0f} seconds in vain for {what}")
        time.sleep(_LOOK_SECONDS)
