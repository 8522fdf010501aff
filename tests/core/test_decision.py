from __future__ import annotations

import pytest

from authd.core.decision import ALLOWED, Decision, Source
from authd.core.errors import DenialReason, UnavailableReason


def test_a_decision_has_no_user_by_default():
    """A decision without a user accepts nobody."""
    decision = Decision(reason="foreign_token", message="m", reference="r")
    assert (decision.user, decision.identity, decision.audiences) == (None, None, ())
    assert (decision.token_digest, decision.host) == ("", "")


def test_a_decision_is_immutable():
    """A decision can't be changed, so a refusal stays one."""
    decision = Decision(reason="foreign_token", message="m", reference="r")
    with pytest.raises(AttributeError):
        decision.reason = ALLOWED


def test_sources_are_stable():
    """The values of `Source` in logs and metrics don't change."""
    assert list(Source) == ["sts", "cache", "stale"]
    assert Decision(reason="foreign_token", message="m", reference="r").source is Source.STS


def test_allowed_is_no_reason_of_a_refusal():
    """`allowed` is in neither of the two lists of reasons."""
    assert ALLOWED == "allowed"
    assert ALLOWED not in {*DenialReason, *UnavailableReason}
