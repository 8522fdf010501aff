"""Entries of long lists."""

from __future__ import annotations

import pytest

from authd.config.document.nodes import Scalar, SequenceNode
from authd.config.document.problems import Problems
from authd.config.rules.entries import items_of, reading_accounts


def test_entries_leave_their_list():
    """Entries are yielded in order and removed from the list."""
    entries = [Scalar(number, 1, str(number)) for number in range(1, 6)]
    node = SequenceNode(1, 1, list(entries))
    items = items_of(node, "mapUsers", Problems("file"))
    assert [next(items), next(items)] == entries[:2]
    assert sorted(node.nodes) == entries[2:]
    assert list(items) == entries[2:]
    assert node.nodes == []


def test_many_accounts_are_read_in_steps():
    """A long list of accounts is read in steps."""
    node = SequenceNode(1, 1, [Scalar(number, 1, f"{number:012}") for number in range(1, 1201)])
    steps = reading_accounts(node, Problems("file"))
    next(steps)
    next(steps)
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert len(end.value.value) == 1200
