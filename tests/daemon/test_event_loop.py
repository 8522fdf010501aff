"""Batches pass their items on once, in order, at the end of the reactor's turn or when full."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from authd.daemon.event_loop import MAX_BATCH, Turns


def several_reviews(clock: Clock) -> Turns:
    """Return the turns of a busy daemon, whose batches wait for the end of the turn."""
    turns = Turns(clock)
    turns.reviews = 2
    return turns


class Collected:
    """A batch, and the items that it has passed on."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.passed_on: list[list[int]] = []
        self.batch = several_reviews(self.clock).batch(self.passed_on.append)

    def add(self, *items: int) -> None:
        for item in items:
            self.batch.add(item)


@pytest.fixture
def collected() -> Collected:
    return Collected()


def test_items_are_passed_on_at_the_end_of_the_turn(collected: Collected) -> None:
    """Items are passed on in order, once, and not before the end of the turn."""
    collected.add(1, 2, 3)
    assert collected.passed_on == []
    collected.clock.advance(0)
    assert collected.passed_on == [[1, 2, 3]]
    collected.add(4)
    collected.clock.advance(0)
    assert collected.passed_on == [[1, 2, 3], [4]]
    assert collected.clock.getDelayedCalls() == []


def test_a_full_batch_is_passed_on_at_once(collected: Collected) -> None:
    """A full batch does not wait for the end of the turn. The remaining items do."""
    collected.add(*range(MAX_BATCH))
    assert collected.passed_on == [list(range(MAX_BATCH))]
    collected.add(*range(2 * MAX_BATCH + 1))
    assert [len(items) for items in collected.passed_on] == [MAX_BATCH] * 3
    assert len(collected.clock.getDelayedCalls()) == 1
    collected.clock.advance(0)
    assert collected.passed_on[3:] == [[2 * MAX_BATCH]]


def test_an_empty_batch_is_not_passed_on(collected: Collected) -> None:
    """An empty batch is not passed on at the end of the turn."""
    collected.add(*range(MAX_BATCH))
    collected.clock.advance(0)
    assert len(collected.passed_on) == 1


def test_items_added_during_processing_form_the_next_batch() -> None:
    """An item that is added while another is processed is passed on once."""
    clock = Clock()
    passed_on: list[list[int]] = []

    def process(items: list[int]) -> None:
        passed_on.append(items)
        if len(passed_on) < 3:
            batch.add(len(passed_on))

    batch = several_reviews(clock).batch(process)
    batch.add(0)
    assert passed_on == []
    clock.advance(0)  # a Clock also runs calls that are scheduled meanwhile
    assert passed_on == [[0], [1], [2]]
    assert clock.getDelayedCalls() == []


def test_later_batches_survive_an_exception() -> None:
    """After an exception, later items are still passed on."""
    clock = Clock()
    passed_on: list[list[int]] = []

    def process(items: list[int]) -> None:
        passed_on.append(items)
        if items == [1]:
            raise ZeroDivisionError

    batch = several_reviews(clock).batch(process)
    batch.add(1)
    with pytest.raises(ZeroDivisionError):
        clock.advance(0)
    batch.add(2)
    clock.advance(0)
    assert passed_on == [[1], [2]]


@pytest.mark.parametrize("reviews", [0, 1, 2])
def test_items_wait_only_if_several_reviews_are_in_progress(reviews: int) -> None:
    """An item waits only if several reviews are in progress."""
    clock = Clock()
    passed_on: list[list[int]] = []
    turns = Turns(clock)
    turns.reviews = reviews
    turns.batch(passed_on.append).add(1)
    assert passed_on == ([] if reviews > 1 else [[1]])
    clock.advance(0)
    assert passed_on == [[1]]


def test_waiting_items_precede_those_of_the_last_review() -> None:
    """If all other reviews end while an item waits, the next item is passed on together with it, in order."""
    clock = Clock()
    passed_on: list[list[int]] = []
    turns = several_reviews(clock)
    batch = turns.batch(passed_on.append)
    batch.add(1)
    turns.reviews = 1
    batch.add(2)
    assert passed_on == [[1, 2]]
    clock.advance(0)
    assert passed_on == [[1, 2]]
