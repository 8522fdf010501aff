"""Garbage collection beside the building of large tables.

Automatic collection would walk all new rules several times, and a pause of it first would walk them all at once later.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")

#: Steps between two collections, in which some thousand objects are made: a collection takes under 0.5 ms.
_STEPS = 5


class _Builds:
    """The builds under way."""

    def __init__(self) -> None:
        self._count = 0

    def begin(self) -> None:
        self._count += 1
        gc.disable()

    def end(self) -> None:
        self._count -= 1
        if not self._count:
            gc.enable()


_builds = _Builds()


def keep_first_table() -> None:
    """Hide everything that lives now from the collector, since a source's first table mostly stays.

    Walking the rules of 10 000 custom resources takes 17 ms. Later tables are not hidden: what is in a reference cycle
    at that moment is never freed, which would add up.
    """
    gc.collect(1)
    gc.freeze()


def collecting_young(steps: Generator[None, None, Result]) -> Generator[None, None, Result]:
    """Take the steps, and collect new garbage among them. Old objects are walked once, after the last of all builds."""
    _builds.begin()
    try:
        for count in itertools.count(1):
            try:
                next(steps)
            except StopIteration as done:
                result: Result = done.value
                gc.collect(1)
                yield  # the last step has freed an old table, and the collection that follows takes as long
                return result
            if count % _STEPS == 0:
                gc.collect(1)
            yield
        raise AssertionError
    finally:
        _builds.end()
