"""Tests of the cached verdicts of STS."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from authd.authentication.verdict_cache import REFUSAL_SECONDS, VerdictCache
from authd.core.errors import DenialReason, Denied
from authd.core.token import SIGNATURE_LIFETIME, PresignedRequest
from tests.daemon.fakes import identity

IDENTITY = identity()


def presigned(digest: str = "digest") -> PresignedRequest:
    return PresignedRequest(
        host="sts.us-east-1.amazonaws.com",
        region="us-east-1",
        access_key_id="AKIAALICE0000000",
        credentials="credentials",
        date=0,
        digest=digest,
        target="/",
    )


def test_identities_are_not_remembered_unless_the_settings_say_so() -> None:
    """Both kinds of memory are off by default."""
    verdicts = VerdictCache(seconds=Clock().seconds)
    verdicts.confirm(presigned(), IDENTITY)
    assert verdicts.fresh("digest", 0) is None
    assert verdicts.stale("digest", 0) is None


def test_a_confirmed_identity_is_fresh_for_the_cache_ttl_and_for_that_token_only() -> None:
    """The age counts from STS's word, by the monotonic clock."""
    clock = Clock()
    verdicts = VerdictCache(seconds=clock.seconds, cache_ttl=60)
    verdicts.confirm(presigned(), IDENTITY)
    assert verdicts.fresh("other", 0) is None
    clock.advance(59.9)
    fresh = verdicts.fresh("digest", 0)
    assert fresh is not None
    assert fresh.identity is IDENTITY
    clock.advance(0.1)
    assert verdicts.fresh("digest", 0) is None


@pytest.mark.parametrize("kind", ["fresh", "stale"])
def test_nothing_outlives_the_signature(kind: str) -> None:
    """However long the settings allow, a token ends with its 15 minutes."""
    verdicts = VerdictCache(seconds=Clock().seconds, cache_ttl=900, stale_if_error=900)
    verdicts.confirm(presigned(), IDENTITY)
    remembered = getattr(verdicts, kind)
    assert remembered("digest", SIGNATURE_LIFETIME) is not None
    assert remembered("digest", SIGNATURE_LIFETIME + 1) is None


def test_stale_identities_have_a_limit_of_their_own() -> None:
    """A confirmation too old for the cache may still bridge an outage, but is not fresh."""
    clock = Clock()
    verdicts = VerdictCache(seconds=clock.seconds, stale_if_error=300)
    verdicts.confirm(presigned(), IDENTITY)
    clock.advance(299)
    assert verdicts.fresh("digest", 0) is None
    assert verdicts.stale("digest", 0) is not None
    clock.advance(1)
    assert verdicts.stale("digest", 0) is None


def test_a_definite_refusal_is_remembered_for_some_seconds_per_exact_token() -> None:
    """A repeated bad token is refused in STS's words without asking again."""
    clock = Clock()
    verdicts = VerdictCache(seconds=clock.seconds)
    denied = Denied(DenialReason.UNKNOWN_ACCESS_KEY, "no such key")
    verdicts.refuse(presigned(), denied)
    verdicts.check_refused("other")
    clock.advance(REFUSAL_SECONDS - 0.1)
    with pytest.raises(Denied, match="no such key") as caught:
        verdicts.check_refused("digest")
    assert caught.value.reason is denied.reason
    assert caught.value is not denied
    clock.advance(0.1)
    verdicts.check_refused("digest")


@pytest.mark.parametrize("reason", [DenialReason.SIGNATURE_EXPIRED, DenialReason.INTERNAL_ERROR])
def test_what_time_alone_may_mend_is_not_remembered(reason: DenialReason) -> None:
    """A signature of the near future is right a moment later."""
    verdicts = VerdictCache(seconds=Clock().seconds)
    verdicts.refuse(presigned(), Denied(reason, ""))
    verdicts.check_refused("digest")


def test_memory_is_bounded() -> None:
    """A day's worth of tokens leaves the latest ones."""
    verdicts = VerdictCache(seconds=Clock().seconds, cache_ttl=900)
    for number in range(5_000):
        verdicts.confirm(presigned(f"good {number}"), IDENTITY)
        verdicts.refuse(presigned(f"bad {number}"), Denied(DenialReason.STS_REFUSED, ""))
    assert len(verdicts._confirmed) == len(verdicts._refused) == 4_096
    assert verdicts.fresh("good 4999", 0) is not None
    assert verdicts.fresh("good 0", 0) is None
    verdicts.check_refused("bad 0")


def test_a_refusal_removes_the_confirmation() -> None:
    """A refusal removes an earlier confirmation, whatever its reason."""
    for reason in (DenialReason.CREDENTIALS_EXPIRED, DenialReason.SIGNATURE_EXPIRED):
        clock = Clock()
        verdicts = VerdictCache(seconds=clock.seconds, cache_ttl=60, stale_if_error=600)
        verdicts.confirm(presigned(), IDENTITY)
        verdicts.confirm(presigned("other"), IDENTITY)
        verdicts.refuse(presigned(), Denied(reason, "no"))
        clock.advance(REFUSAL_SECONDS)
        assert verdicts.fresh("digest", 0) is verdicts.stale("digest", 0) is None
        assert verdicts.stale("other", 0) is not None
