"""Mappings by unique ID."""

from __future__ import annotations

import pytest

from authd.core.arn import parse_arn
from authd.core.mapping.table import AccountRule, Rule
from authd.core.mapping.templates import parse_template
from authd.core.mapping.user_ids import IdentifiedRule, UserIDTable, parse_user_id
from tests.daemon.fakes import ALICE_ARN, identity

ID = "AIDAEXAMPLEEXAMPLE00"
RULE = Rule(subject=parse_arn(ALICE_ARN), username=parse_template("alice"), groups=(), where="f:1:1")


def table(arn_key, accounts=None):
    return UserIDTable(exact={}, by_id={ID: IdentifiedRule(RULE, arn_key)}, accounts=accounts or {})


def test_by_id_alone():
    """A rule without an ARN matches every caller with the ID."""
    who = identity("arn:aws:iam::111122223333:user/renamed", ID)
    assert table("").find(who) is RULE
    assert table("").lookup(who).username == "alice"


def test_by_both():
    """A rule with an ARN matches a caller with both the ID and the ARN."""
    assert table(RULE.subject.key).find(identity(ALICE_ARN, ID)) is RULE
    other = identity("arn:aws:iam::111122223333:user/mallory", ID)
    found = table(RULE.subject.key, {"111122223333": "f:9:1"})
    assert found.find(other) is None
    assert found.nearest(other) == "the rule at f:1:1 has the caller's user ID, but another ARN"


def test_other_ids():
    """A caller with only the ARN does not match, but the account's rule applies."""
    who = identity(ALICE_ARN, "AIDAOTHEROTHEROTHER0")
    assert table(RULE.subject.key).find(who) is None
    assert table("").nearest(who) == "no rule has the caller's user ID, AIDAOTHEROTHEROTHER0"
    assert table("", {"111122223333": "f:9:1"}).find(who) == AccountRule("f:9:1")
    assert len(table("", {"111122223333": "f:9:1"})) == 2


@pytest.mark.parametrize("text", ["AROAEXAMPLEEXAMPLE00", "AIDAEXAMPLEEXAMPLE00"])
def test_ids(text):
    """Roles and users have unique IDs."""
    assert parse_user_id(text) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is missing"),
        ("AKIAEXAMPLEEXAMPLE00", "must be"),
        ("aroaexampleexample00", "must be"),
        ("AROA1\n", "must be"),
    ],
)
def test_invalid_ids(text, message):
    """Anything else is an error."""
    with pytest.raises(ValueError, match=message):
        parse_user_id(text)
