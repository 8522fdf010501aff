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


def test_identities_are_not_cached_by_default() -> None:
    """`cacheTTL` and `staleIfError` are off by default."""
    verdicts = VerdictCache(seconds=Clock().seconds)
    verdicts.confirm(presigned(), IDENTITY)
    assert verdicts.fresh("digest", 0) is None
    assert verdicts.stale("digest", 0) is None


def test_a_confirmed_identity_is_fresh_for_the_cache_ttl() -> None:
    """Only the exact token is fresh. Its age counts from STS's response, by the monotonic clock."""
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
    """A cached token ends with its signature's 15 minutes, however long the settings allow."""
    verdicts = VerdictCache(seconds=Clock().seconds, cache_ttl=900, stale_if_error=900)
    verdicts.confirm(presigned(), IDENTITY)
    remembered = getattr(verdicts, kind)
    assert remembered("digest", SIGNATURE_LIFETIME) is not None
    assert remembered("digest", SIGNATURE_LIFETIME + 1) is None


def test_stale_identities_have_their_own_limit() -> None:
    """A confirmation that is too old for the cache may still be stale."""
    clock = Clock()
    verdicts = VerdictCache(seconds=clock.seconds, stale_if_error=300)
    verdicts.confirm(presigned(), IDENTITY)
    clock.advance(299)
    assert verdicts.fresh("digest", 0) is None
    assert verdicts.stale("digest", 0) is not None
    clock.advance(1)
    assert verdicts.stale("digest", 0) is None


def test_a_refusal_is_cached_for_some_seconds() -> None:
    """A repeated refused token is refused with the same message without another call."""
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
def test_an_expired_signature_is_not_cached(reason: DenialReason) -> None:
    """A signature dated slightly in the future becomes valid a moment later."""
    verdicts = VerdictCache(seconds=Clock().seconds)
    verdicts.refuse(presigned(), Denied(reason, ""))
    verdicts.check_refused("digest")


def test_memory_is_bounded() -> None:
    """The oldest entries are evicted."""
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
