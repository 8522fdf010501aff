"""The decisions of the last minutes."""

from __future__ import annotations

from twisted.internet.task import Clock

from authd.core.access_key import key_account
from authd.core.decision import ALLOWED
from authd.core.errors import DenialReason
from authd.core.kubernetes_user import KubernetesUser
from authd.daemon.telemetry.recent_decisions import MINUTES, RecentDecisions
from tests.daemon.fakes import ALICE_ARN, decision, identity, presigned

UNMAPPED = decision(DenialReason.IDENTITY_NOT_MAPPED, "no", identity())._replace(request=presigned())


def test_the_window_moves() -> None:
    """Decisions older than the window are not counted."""
    clock = Clock()
    recent = RecentDecisions(clock.seconds)
    user = KubernetesUser(username="alice", groups=(), rule="c:1:1")
    recent.note(decision(ALLOWED, "", identity())._replace(user=user, request=presigned()))
    clock.advance(60.0)
    for _ in range(3):
        recent.note(UNMAPPED)
    assert recent.by_reason() == {"identity_not_mapped": 3, "allowed": 1}
    assert recent.refused(frozenset()) == [{"identity": ALICE_ARN, "reason": "identity_not_mapped", "count": 3}]
    clock.advance(60.0 * (MINUTES - 1))
    assert recent.by_reason() == {"identity_not_mapped": 3}
    clock.advance(60.0)
    assert (recent.by_reason(), recent.refused(frozenset())) == ({}, [])


def test_names_are_bounded_and_scrubbed() -> None:
    """Unconfirmed callers are named by their access key IDs, in a bounded number. Scrubbed accounts don't appear."""
    recent = RecentDecisions(Clock().seconds)
    recent.note(UNMAPPED)
    for number in range(2_000):
        request = presigned()._replace(access_key_id=f"AKIA{number:016d}")
        recent.note(decision(DenialReason.UNKNOWN_ACCESS_KEY)._replace(request=request))
    assert len(recent.refused(frozenset(), most=5_000)) == 512
    assert ALICE_ARN not in str(recent.refused(frozenset({"111122223333"}), most=5_000))


def test_keys_of_scrubbed_accounts_do_not_appear() -> None:
    """The account in the access key ID of an unconfirmed caller counts, as in the decision log."""
    recent = RecentDecisions(Clock().seconds)
    key = "ASIAY34FZKBOKMUTVV7A"
    recent.note(decision(DenialReason.TOKEN_EXPIRED)._replace(request=presigned()._replace(access_key_id=key)))
    assert [entry["identity"] for entry in recent.refused(frozenset({"111122223333"}))] == [key]
    assert recent.refused(frozenset({key_account(key)})) == []
