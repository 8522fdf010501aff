from __future__ import annotations

import pytest

from authd.core.decision import ALLOWED, Decision, Source
from authd.core.errors import DenialReason, UnavailableReason


def test_a_decision_names_nobody_unless_told():
    """A decision without a user accepts nobody."""
    decision = Decision(reason="foreign_token", message="m", reference="r")
    assert (decision.user, decision.identity, decision.audiences) == (None, None, ())
    assert (decision.token_digest, decision.host) == ("", "")


def test_a_decision_stays_as_it_was_made():
    """A decision is immutable, so a refusal stays one."""
    decision = Decision(reason="foreign_token", message="m", reference="r")
    with pytest.raises(AttributeError):
        decision.reason = ALLOWED


def test_the_words_for_where_an_identity_came_from_are_stable():
    """Logs and metrics have one of three words for it."""
    assert list(Source) == ["sts", "cache", "stale"]
    assert Decision(reason="foreign_token", message="m", reference="r").source is Source.STS


def test_the_word_for_yes_is_no_reason_for_a_no():
    """`allowed` is in neither of the two lists of reasons."""
    assert ALLOWED == "allowed"
    assert ALLOWED not in {*DenialReason, *UnavailableReason}
