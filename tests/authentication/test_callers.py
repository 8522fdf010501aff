"""Tests of the memory of confirmed tokens and known keys."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from authd.authentication.callers import (
    KEY_BURST,
    KEY_RATE,
    KNOWN_SECONDS,
    MAX_KEYS,
    MAX_TOKENS,
    MAX_TOKENS_OF_KEY,
    Callers,
    Standing,
    Verdict,
)
from authd.core.token import PresignedRequest
from tests.authentication.permits import presigned


class Memory(Callers):
    def __init__(self) -> None:
        self.clock = Clock()
        super().__init__(self.clock.seconds)

    def of(self, request: PresignedRequest) -> Standing:
        return self.standing(request, self.known_key(request))


@pytest.fixture
def callers() -> Memory:
    return Memory()


def test_a_mapped_confirmation_makes_key_and_token_known(callers: Memory) -> None:
    """The exact token is confirmed, another one of the key is known, and one of another session is a stranger's."""
    callers.record(presigned("A"), Verdict.MAPPED)
    assert callers.of(presigned("A")) is Standing.CONFIRMED
    assert callers.of(presigned("A", 1)) is Standing.KNOWN
    assert callers.of(presigned("A", 1)._replace(credentials="another session token")) is Standing.STRANGER
    assert callers.of(presigned("B")) is Standing.STRANGER


@pytest.mark.parametrize("verdict", [Verdict.UNMAPPED, Verdict.REFUSED, Verdict.THROTTLED, Verdict.FAILED])
def test_no_other_verdict_makes_anything_known(callers: Memory, verdict: Verdict) -> None:
    """A caller without a mapping stays a stranger, even if STS confirms the token."""
    callers.record(presigned("A"), verdict)
    assert callers.of(presigned("A")) is Standing.STRANGER


def test_known_keys_expire(callers: Memory) -> None:
    """A key and its tokens are known for the longest lifetime of the confirmed token."""
    callers.record(presigned("A"), Verdict.MAPPED)
    callers.clock.advance(KNOWN_SECONDS - 1)
    assert callers.of(presigned("A")) is Standing.CONFIRMED
    callers.clock.advance(1)
    assert callers.of(presigned("A")) is Standing.STRANGER


def test_refusals_consume_the_budget_and_successes_restore_it(callers: Memory) -> None:
    """A known key without budget is strained. Time and each success restore one call."""
    callers.record(presigned("A"), Verdict.MAPPED)
    for number in range(int(KEY_BURST)):
        assert callers.of(presigned("A", 100)) is Standing.KNOWN
        callers.record(presigned("A", 1 + number), Verdict.REFUSED)
    assert callers.of(presigned("A", 100)) is Standing.STRAINED
    assert callers.of(presigned("A")) is Standing.CONFIRMED
    callers.record(presigned("A", 200), Verdict.MAPPED)
    assert callers.of(presigned("A", 100)) is Standing.KNOWN
    callers.record(presigned("A", 300), Verdict.REFUSED)
    callers.clock.advance(1 / KEY_RATE)
    assert callers.of(presigned("A", 100)) is Standing.KNOWN


def test_a_refusal_removes_the_confirmation_of_the_exact_token(callers: Memory) -> None:
    """A refused token is no longer confirmed."""
    for number in range(2):
        callers.record(presigned("A", number), Verdict.MAPPED)
    callers.record(presigned("A"), Verdict.REFUSED)
    assert callers.of(presigned("A")) is Standing.KNOWN
    assert callers.of(presigned("A", 1)) is Standing.CONFIRMED


def test_a_caller_who_lost_the_mapping_is_a_stranger(callers: Memory) -> None:
    """If no rule matches a key's caller any longer, the key and its tokens are forgotten."""
    callers.record(presigned("A"), Verdict.MAPPED)
    callers.record(presigned("A", 1), Verdict.UNMAPPED)
    assert callers.of(presigned("A")) is Standing.STRANGER


def test_strangers_evict_nothing(callers: Memory) -> None:
    """Refused and unmapped tokens, however many, evict no known key or confirmed token."""
    callers.record(presigned("A"), Verdict.MAPPED)
    for number in range(2 * MAX_KEYS):
        callers.record(presigned(f"UNMAPPED{number}"), Verdict.UNMAPPED)
        callers.record(presigned(f"REFUSED{number}"), Verdict.REFUSED)
    assert callers.of(presigned("A")) is Standing.CONFIRMED
    assert len(callers._known) == 1


def test_memory_is_bounded(callers: Memory) -> None:
    """The least recently confirmed keys are evicted first, and one key's tokens evict only tokens of that key."""
    callers.record(presigned("OLD"), Verdict.MAPPED)
    for number in range(MAX_TOKENS_OF_KEY + 1):
        callers.record(presigned("MANY", number), Verdict.MAPPED)
    assert callers.of(presigned("MANY")) is Standing.KNOWN
    assert callers.of(presigned("MANY", MAX_TOKENS_OF_KEY)) is Standing.CONFIRMED
    assert callers.of(presigned("OLD")) is Standing.CONFIRMED
    for number in range(MAX_KEYS):
        callers.record(presigned(f"NEW{number}"), Verdict.MAPPED)
    assert callers.of(presigned("OLD")) is Standing.STRANGER
    assert len(callers._known) == MAX_KEYS


def test_the_number_of_tokens_is_bounded_too(callers: Memory) -> None:
    """The count of tokens is exact after every kind of removal, and bounded."""
    for key in range(MAX_TOKENS // MAX_TOKENS_OF_KEY + 10):
        for number in range(MAX_TOKENS_OF_KEY):
            callers.record(presigned(f"KEY{key}", number), Verdict.MAPPED)
        callers.record(presigned(f"KEY{key}", 0), Verdict.REFUSED)
        if key % 10 == 0:
            callers.record(presigned(f"KEY{key}", 1), Verdict.UNMAPPED)
    counted = sum(len(key.tokens) for key in callers._known.values())
    assert callers._tokens == counted <= MAX_TOKENS


def test_a_token_in_use_is_not_evicted_by_new_ones(callers: Memory) -> None:
    """The least recently confirmed tokens of a key are evicted first."""
    for number in range(3 * MAX_TOKENS_OF_KEY):
        callers.record(presigned("A"), Verdict.MAPPED)
        callers.record(presigned("A", 1 + number), Verdict.MAPPED)
    assert callers.of(presigned("A")) is Standing.CONFIRMED
    assert callers.of(presigned("A", 1)) is not Standing.CONFIRMED
    assert callers._tokens == MAX_TOKENS_OF_KEY
