"""Controls garbage collection during builds of large tables.

Automatic collection would traverse all new rules several times. Disabled for the whole build, it would block the
reactor afterwards.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")

#: Steps between two collections. They create some thousand objects, which are collected in under 0.5 ms.
_STEPS = 5


class _Builds:
    """Counts the running builds. Automatic collection is off meanwhile."""

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
    """Exclude all objects that exist now from garbage collection, since most of a source's first table stays.

    Traversing the rules of 10 000 custom resources takes 17 ms. Later tables are not excluded: objects in reference
    cycles at that moment are never freed, so the memory lost would add up.
    """
    gc.collect(1)
    gc.freeze()


def collecting_young(steps: Generator[None, None, Result]) -> Generator[None, None, Result]:
    """Run the steps and collect young objects in between. Old objects are traversed once, after the last build."""
    _builds.begin()
    try:
        for count in itertools.count(1):
            try:
                next(steps)
            except StopIteration as done:
                result: Result = done.value
                gc.collect(1)
                yield  # freeing the old table and the full collection that follows each take long
                return result
            if count % _STEPS == 0:
                gc.collect(1)
            yield
        raise AssertionError
    finally:
        _builds.end()
