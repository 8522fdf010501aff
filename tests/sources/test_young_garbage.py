"""Garbage collection during long builds."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from authd.core.cooperative import finish
from authd.sources import young_garbage
from authd.sources.young_garbage import collecting_young, keep_first_table


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(young_garbage, "_builds", young_garbage._Builds())  # builds of other tests may be left
    yield
    gc.unfreeze()
    gc.enable()


def build(steps, result="table"):
    for _ in range(steps):
        yield
    return result


class Cycle:
    """An object that only the collector frees."""

    freed = 0

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        Cycle.freed += 1


def test_result():
    """The build's steps and result are passed on. The final collection is a step of its own."""
    steps = collecting_young(build(7))
    assert [next(steps) for _ in range(7)] == [None] * 7
    next(steps)
    assert not gc.isenabled()
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "table"
    assert gc.isenabled()


def test_no_full_collection():
    """Automatic collection is off until the last of several builds has ended, even by an error."""

    def broken():
        yield
        raise ValueError

    first, second = collecting_young(build(3)), collecting_young(broken())
    next(first)
    next(second)
    assert not gc.isenabled()
    finish(first)
    assert not gc.isenabled()
    with pytest.raises(ValueError):
        next(second)
    assert gc.isenabled()


def test_new_garbage_is_collected_meanwhile():
    """Reference cycles that reviews leave during a long build are freed before it ends."""
    before = Cycle.freed
    steps = collecting_young(build(100))
    for _ in range(50):
        Cycle()
        next(steps)
    assert Cycle.freed - before >= 40
    finish(steps)
    assert Cycle.freed - before == 50


def test_first_table():
    """Objects of a first table are not traversed any more. Garbage is freed first."""
    before, frozen = Cycle.freed, gc.get_freeze_count()
    Cycle()
    table = [[number] for number in range(1000)]
    keep_first_table()
    assert Cycle.freed == before + 1
    assert gc.get_freeze_count() >= frozen + len(table)
