"""Rules with times: the first one that is in force at the review decides, within a source and across sources."""

from __future__ import annotations

import pytest

from authd.core.errors import DenialReason, Denied
from authd.core.mapping.ordered_tables import OrderedTables, SourceTable
from authd.core.mapping.rules import TimedRule
from authd.core.mapping.table import RULES_PER_STEP, build_table, building_table
from authd.core.mapping.user_ids import IdentifiedRule, UserIDTable, timetable_by_id
from tests.daemon.fakes import ALICE_ARN, identity

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Dev"
HEX = "0123456789abcdef"


@pytest.fixture
def dev(identities):
    return identities.of(f"arn:aws:sts::{ACCOUNT}:assumed-role/Dev/me")


def names(table, who, *times):
    """Return the user name at each time, None if no rule matches."""

    def name(now):
        try:
            return table.lookup(who, now).username
        except Denied as denied:
            assert denied.reason is DenialReason.IDENTITY_NOT_MAPPED
            return None

    return [name(now) for now in times]


def test_to_the_second(rules, dev):
    """A rule matches from its first second to the last one before its end. The refusal says when it ended."""
    table = build_table([rules.timed(rules.arn(ROLE, "dev", where="m.yaml:4:5"), 10.0, 20.0)], {})
    assert names(table, dev, 9.999, 10.0, 19.999, 20.0) == [None, "dev", "dev", None]
    with pytest.raises(Denied, match=r"the rule at m\.yaml:4:5 ended at 1970-01-01T00:00:20Z") as caught:
        table.lookup(dev, 20.0)
    assert caught.value.reason is DenialReason.IDENTITY_NOT_MAPPED
    with pytest.raises(Denied, match=r"the rule at m\.yaml:4:5 begins at 1970-01-01T00:00:10Z"):
        table.explain(dev, 9.0)
    assert table.explain(dev, 10.0).username == "dev"
    assert (
        table.closest(dev, 20.0) == table.nearest(dev, 20.0) == "the rule at m.yaml:4:5 ended at 1970-01-01T00:00:20Z"
    )
    assert table.find(dev) is None


def test_tables_without_timed_rules(rules, dev):
    """Only a table with timed rules has a timetable."""
    assert build_table([rules.arn(ROLE)], {}).timetable is None
    assert build_table([rules.arn(ROLE)], {}).in_force(0.0) == 1
    assert list(build_table([rules.arn(ROLE)], {}).rules_of_another_time(dev, 0.0)) == []
    timed = build_table([rules.timed(rules.arn(ROLE), 1.0), rules.arn(ALICE_ARN)], {ACCOUNT: "m:1:1"})
    assert timed.timetable is not None
    assert [timed.in_force(now) for now in (0.0, 1.0)] == [2, 3]
    assert len(timed) == 3


def test_rules_for_one_role(rules, dev):
    """A later rule takes precedence over the earlier ones while it is in force. One without a time replaces them."""
    plain = rules.arn(ROLE, "plain")
    first = rules.timed(rules.arn(ROLE, "first"), end=20.0)
    admin = rules.timed(rules.arn(ROLE, "admin"), 10.0, 15.0)
    table = build_table([first, admin], {})
    assert names(table, dev, 9.0, 10.0, 15.0, 20.0) == ["first", "admin", "first", None]
    assert (len(table), table.timetable.fallbacks) == (2, 1)
    assert [rule.username.text for rule in table.rules()] == ["first", "admin"]
    assert names(build_table([plain, admin], {}), dev, 9.0, 10.0, 15.0) == ["plain", "admin", "plain"]
    replaced = build_table([first, admin, plain], {})
    assert names(replaced, dev, 9.0, 10.0) == ["plain", "plain"]
    assert len(replaced) == 1
    assert replaced.timetable.ends == ()
    again = build_table(list(table.rules()), {})
    assert names(again, dev, 9.0, 10.0, 15.0, 20.0) == ["first", "admin", "first", None]


def test_the_next_kind_of_rule(rules, identities, dev):
    """If a role's rule has ended, its permission set, a pattern or its account may still match, in this order."""
    role = f"arn:aws:iam::{ACCOUNT}:role/AWSReservedSSO_Dev_{HEX}"
    caller = identities.of(f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_Dev_{HEX}/me")
    chosen = [
        rules.timed(rules.arn(role, "role"), end=1.0),
        rules.timed(rules.sso("Dev", username="set"), end=2.0),
        rules.timed(rules.arn(f"arn:aws:iam::{ACCOUNT}:role/AWS*", "first"), end=3.0),
        rules.timed(rules.arn(f"arn:aws:iam::{ACCOUNT}:role/*", "second"), end=4.0),
    ]
    table = build_table(chosen, {ACCOUNT: "m.yaml:9:5"})
    assert names(table, caller, 0.0, 1.0, 2.0, 3.0) == ["role", "set", "first", "second"]
    assert table.lookup(caller, 4.0).rule == "m.yaml:9:5"
    assert names(build_table(chosen, {}), dev, 3.0, 4.0) == ["second", None]
    assert build_table(chosen, {}).nearest(caller, 9.0).count("ended at") == 3


def test_across_sources(rules, dev):
    """A rule that has ended leaves the decision to the next source."""
    first = build_table([rules.timed(rules.arn(ROLE, "first", where="f:1:1"), end=10.0)], {})
    second = build_table([rules.timed(rules.arn(ROLE, "second", where="g:1:1"), end=20.0)], {})
    other = build_table([rules.arn(f"{ROLE}2")], {})
    tables = OrderedTables(
        tables=(SourceTable("MountedFile", first), SourceTable("EKSConfigMap", second), SourceTable("CRD", other))
    )
    assert [tables.find(dev, now).source for now in (9.0, 10.0)] == ["MountedFile", "EKSConfigMap"]
    with pytest.raises(Denied) as caught:
        tables.lookup(dev, 20.0)
    assert caught.value.message == (
        "no mapping matches: the rule at f:1:1 ended at 1970-01-01T00:00:10Z; "
        "the rule at g:1:1 ended at 1970-01-01T00:00:20Z"
    )
    assert tables.rule_of_another_time(dev, 15.0).where == "f:1:1"
    assert OrderedTables(tables=(SourceTable("CRD", other),)).rule_of_another_time(dev, 15.0) is None
    assert [tables.period(now) for now in (0.0, 10.0, 20.0)] == [0, 1, 2]
    assert [tables.in_force(now) for now in (0.0, 10.0, 20.0)] == [3, 2, 1]
    match = tables.match(dev, 0.0)
    match.check_time(9.0)
    with pytest.raises(Denied, match=r"the rule at f:1:1 ended at 1970-01-01T00:00:10Z"):
        match.check_time(10.0)
    assert tables.explain(dev, 0.0).username == "first"


def test_by_user_id(rules):
    """Rules by unique ID may be timed too. A caller with the ID but another ARN is always refused."""
    user_id = "AIDAEXAMPLEEXAMPLE00"
    plain = IdentifiedRule(rules.arn(ALICE_ARN, "plain", where="f:1:1"), "")
    timed = IdentifiedRule(rules.timed(rules.arn(ALICE_ARN, "timed", where="f:2:1"), 10.0, 20.0), "")
    strict = IdentifiedRule(rules.timed(rules.arn(ALICE_ARN, "timed", where="f:2:1"), 10.0, 20.0), "arn:other")
    alice = identity(ALICE_ARN, user_id)

    def table(found):
        by_id = {user_id: found}
        return UserIDTable(exact={}, by_id=by_id, accounts={ACCOUNT: "f:9:1"}, timetable=timetable_by_id(by_id))

    both = table(timed.preceding(plain))
    assert names(both, alice, 9.0, 10.0, 20.0) == ["plain", "timed", "plain"]
    assert (len(both), [rule.where for rule in both.rules()]) == (3, ["f:2:1", "f:1:1"])
    assert plain.preceding(timed) is plain
    assert table(plain).timetable is None
    assert len(table(plain)) == 2
    alone = table(timed)
    assert [alone.find(alice, now).where for now in (9.0, 10.0, 20.0)] == ["f:9:1", "f:2:1", "f:9:1"]
    assert alone.nearest(alice, 20.0) == "the rule at f:2:1 ended at 1970-01-01T00:00:20Z"
    assert table(strict).find(alice, 10.0) is None
    assert table(strict).nearest(alice, 10.0) == "the rule at f:2:1 has the caller's user ID, but another ARN"


def test_many_timed_rules_are_built_in_steps(rules):
    """The times of all rules are collected in steps, too."""
    many = [rules.timed(rules.arn(f"{ROLE}{number}"), end=float(number)) for number in range(RULES_PER_STEP * 2)]
    assert len(list(building_table(many, {}))) == 4
    table = build_table(many, {})
    assert len(table.timetable.ends) == len(many)
    assert all(isinstance(rule, TimedRule) for rule in table.rules())
