"""What is alike is done together: in its order, once, at the end of the turn or when there is enough of it."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from authd.daemon.event_loop import MAX_BATCH, Turns


def several_reviews(clock: Clock) -> Turns:
    """Return the turns of a busy daemon, in which items wait."""
    turns = Turns(clock)
    turns.reviews = 2
    return turns


class Collected:
    """A collection, and what it handed on."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.handed_on: list[list[int]] = []
        self.together = several_reviews(self.clock).batch(self.handed_on.append)

    def add(self, *items: int) -> None:
        for item in items:
            self.together.add(item)


@pytest.fixture
def collected() -> Collected:
    return Collected()


def test_a_turns_items_are_handed_on_at_its_end(collected: Collected) -> None:
    """Nothing is handed on before the turn ends, and then everything, in its order, once."""
    collected.add(1, 2, 3)
    assert collected.handed_on == []
    collected.clock.advance(0)
    assert collected.handed_on == [[1, 2, 3]]
    collected.add(4)
    collected.clock.advance(0)
    assert collected.handed_on == [[1, 2, 3], [4]]
    assert collected.clock.getDelayedCalls() == []


def test_enough_is_handed_on_at_once(collected: Collected) -> None:
    """As many as there may be don't wait; what is left is handed on at the end of the same turn."""
    collected.add(*range(MAX_BATCH))
    assert collected.handed_on == [list(range(MAX_BATCH))]
    collected.add(*range(2 * MAX_BATCH + 1))
    assert [len(items) for items in collected.handed_on] == [MAX_BATCH] * 3
    assert len(collected.clock.getDelayedCalls()) == 1
    collected.clock.advance(0)
    assert collected.handed_on[3:] == [[2 * MAX_BATCH]]


def test_a_turn_may_end_with_nothing_left(collected: Collected) -> None:
    """Where everything was handed on before the end, nothing is at the end."""
    collected.add(*range(MAX_BATCH))
    collected.clock.advance(0)
    assert len(collected.handed_on) == 1


def test_what_comes_while_handing_on_is_handed_on_by_itself() -> None:
    """An item that is added by what is done with another one is neither lost nor done twice."""
    clock = Clock()
    handed_on: list[list[int]] = []

    def hand_on(items: list[int]) -> None:
        handed_on.append(items)
        if len(handed_on) < 3:
            together.add(len(handed_on))

    together = several_reviews(clock).batch(hand_on)
    together.add(0)
    assert handed_on == []
    clock.advance(0)  # a Clock's turn takes in what is due by then, too
    assert handed_on == [[0], [1], [2]]
    assert clock.getDelayedCalls() == []


def test_a_failure_takes_nothing_else_along() -> None:
    """Where handing on breaks, what comes afterwards is handed on as ever."""
    clock = Clock()
    handed_on: list[list[int]] = []

    def hand_on(items: list[int]) -> None:
        handed_on.append(items)
        if items == [1]:
            raise ZeroDivisionError

    together = several_reviews(clock).batch(hand_on)
    together.add(1)
    with pytest.raises(ZeroDivisionError):
        clock.advance(0)
    together.add(2)
    clock.advance(0)
    assert handed_on == [[1], [2]]


@pytest.mark.parametrize("reviews", [0, 1, 2])
def test_an_item_waits_only_among_several_reviews(reviews: int) -> None:
    """A review on its own has nothing to be batched with."""
    clock = Clock()
    handed_on: list[list[int]] = []
    turns = Turns(clock)
    turns.reviews = reviews
    turns.batch(handed_on.append).add(1)
    assert handed_on == ([] if reviews > 1 else [[1]])
    clock.advance(0)
    assert handed_on == [[1]]


def test_waiting_items_precede_those_of_the_last_review() -> None:
    """If all other reviews end while an item waits, the next item is passed on with it, and after it."""
    clock = Clock()
    handed_on: list[list[int]] = []
    turns = several_reviews(clock)
    batch = turns.batch(handed_on.append)
    batch.add(1)
    turns.reviews = 1
    batch.add(2)
    assert handed_on == [[1, 2]]
    clock.advance(0)
    assert handed_on == [[1, 2]]
