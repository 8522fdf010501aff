"""Tests of the draw among waiting calls."""

from __future__ import annotations

from collections import Counter

from authd.authentication.callers import Standing
from authd.authentication.fair_pool import FairPool, Permit
from tests.authentication.permits import presigned


def waiting(key: str, number: int = 0, tries: int = 0) -> Permit:
    return Permit(presigned(key, number), Standing.STRANGER, None, tries)


def drawn(pool: FairPool) -> str:
    permit = pool.draw()
    pool.remove(permit)
    return permit.request.access_key_id


def test_every_call_has_a_chance() -> None:
    """The last call of a full pool may be drawn next."""
    served = Counter[str]()
    for _ in range(200):
        pool = FairPool()
        for name in "ABCD":
            pool.add(waiting(name))
        served[drawn(pool)] += 1
        assert len(pool) == 3
    assert set(served) == set("ABCD")


def test_keys_have_equal_chances() -> None:
    """A key with a hundred waiting tokens is not drawn more often than one with a single token."""
    served = Counter[str]()
    for _ in range(400):
        pool = FairPool()
        for number in range(100):
            pool.add(waiting("MANY", number))
        pool.add(waiting("ONE"))
        served[drawn(pool)] += 1
    assert served["ONE"] > 100


def test_retried_tokens_are_preferred() -> None:
    """Among hundreds of new tokens of the same key, a retried one is drawn within a second's worth of calls."""
    pool = FairPool()
    for number in range(250):
        pool.add(waiting("A", number))
    retried = waiting("A", 1_000, tries=1)
    pool.add(retried)
    for _ in range(300):
        permit = pool.draw()
        pool.remove(permit)
        if permit is retried:
            return
        pool.add(waiting("A"))
    raise AssertionError("never drawn")


def test_the_surplus_is_of_the_key_with_the_most() -> None:
    """The surplus of a pool is a new token of the flooding key, not a retried one, and not of another key."""
    pool = FairPool()
    pool.add(waiting("OTHER"))
    for number in range(250):
        pool.add(waiting("FLOOD", number, tries=number < 3))
    surplus = [pool.surplus() for _ in range(50)]
    assert {permit.request.access_key_id for permit in surplus} == {"FLOOD"}
    assert {permit.tries for permit in surplus} == {0}


def test_the_surplus_of_many_keys_is_a_new_token() -> None:
    """If no key has more than one token, retried ones stay."""
    pool = FairPool()
    for number in range(250):
        pool.add(waiting(f"KEY{number}", tries=number % 2))
    assert [pool.surplus().tries for _ in range(50)].count(1) <= 3


def test_an_empty_pool_keeps_nothing() -> None:
    """Keys without waiting tokens occupy no memory."""
    pool = FairPool()
    permits = [waiting(f"KEY{number % 7}", number) for number in range(100)]
    for permit in permits:
        pool.add(permit)
    for permit in permits:
        pool.remove(permit)
    assert (len(pool), pool._groups, pool._keys) == (0, {}, [])
