"""A token bucket: a rate with a burst."""

import pytest

from authd.core.token_bucket import TokenBucket


def test_it_starts_full():
    """A new bucket has its burst, and does not exceed it."""
    bucket = TokenBucket(burst=5, rate=2.0, now=10.0)
    assert bucket.left == 5
    assert bucket.refilled(100.0) == 5


def test_it_refills_at_its_rate():
    """Taken tokens come back at the rate, counted from the last refill, up to the burst."""
    bucket = TokenBucket(burst=5, rate=2.0, now=10.0)
    bucket.left -= 4
    assert [bucket.refilled(now) for now in (10.0, 10.5, 11.0, 12.0, 13.0)] == [1, 2, 3, 5, 5]
    assert bucket.left == 5


def test_it_may_be_overdrawn():
    """A negative number of tokens is refilled at the same rate."""
    bucket = TokenBucket(burst=1, rate=1.0, now=0.0)
    bucket.left -= 3
    assert bucket.refilled(2.0) == 0


def test_it_has_no_other_attributes():
    """Thousands of buckets are in memory, so they have slots."""
    with pytest.raises(AttributeError):
        TokenBucket(burst=1, rate=1.0, now=0.0).other = 1
