from __future__ import annotations

import pytest

from authd.core.cooperative import finish


def test_the_result_is_returned():
    """`finish` runs the generator to its end and returns its result."""
    taken = []

    def work():
        for step in range(3):
            taken.append(step)
            yield
        return "done"

    assert finish(work()) == "done"
    assert taken == [0, 1, 2]


def test_exceptions_are_raised():
    """The caller receives an exception of the generator unchanged."""

    def work():
        yield
        raise KeyError("x")

    with pytest.raises(KeyError):
        finish(work())
