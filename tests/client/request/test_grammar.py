from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.client.fast.errors import UsageError
from authd.client.request import grammar
from authd.config.fields import values


def _accepts(check: Callable[[str], str], text: str) -> bool:
    try:
        return check(text) == text
    except (UsageError, values.InvalidValue):
        return False


@pytest.mark.parametrize(
    ("text", "client", "daemon"),
    [
        ("c", True, True),
        ("my-cluster.example.com", True, True),
        ("two words", True, True),
        ("!~", True, True),
        ("c" * 1024, True, True),
        ("c" * 1025, False, False),
        ("", False, False),
        (" ", False, False),
        (" c", False, False),
        ("c ", False, False),
        ("c\n", False, False),
        ("a\tb", False, False),
        ("a\x7fb", False, False),
        ("a\N{ZERO WIDTH SPACE}b", False, False),
        ("a\N{NO-BREAK SPACE}b", False, False),
        ("café", True, False),
        ("é" * 1024, True, False),
    ],
)
def test_cluster_ids(text: str, client: bool, daemon: bool) -> None:
    """The client accepts every cluster ID of the daemon's settings, and for other verifiers also non-ASCII ones."""
    assert (_accepts(grammar.cluster_id, text), _accepts(values.cluster_id, text)) == (client, daemon)


@given(st.text(st.characters(max_codepoint=0x7F), max_size=6) | st.text(" c", min_size=1022, max_size=1026))
def test_ascii_cluster_ids(text: str) -> None:
    """The client and the daemon's settings have the same rule for ASCII."""
    assert _accepts(grammar.cluster_id, text) == _accepts(values.cluster_id, text)
