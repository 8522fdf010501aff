from __future__ import annotations

import pytest

from authd.core.cooperative import finish


def test_all_steps_are_taken_and_the_result_returned():
    """`finish` runs through all pauses and returns the generator's result."""
    taken = []

    def work():
        for step in range(3):
            taken.append(step)
            yield
        return "done"

    assert finish(work()) == "done"
    assert taken == [0, 1, 2]


def test_an_error_comes_out_as_it_is():
    """The caller receives the exception of a step."""

    def work():
        yield
        raise KeyError("x")

    with pytest.raises(KeyError):
        finish(work())
