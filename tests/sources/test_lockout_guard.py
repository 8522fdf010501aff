"""The guard against locking everyone out."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from authd.core.arn import parse_arn
from authd.core.caller_identity import CallerIdentity
from authd.core.cooperative import finish
from authd.core.mapping.nearest import NearestIndex
from authd.core.mapping.ordered_tables import OrderedTables, SourceTable
from authd.core.mapping.rules import Rule, TimedRule
from authd.core.mapping.table import build_table
from authd.core.mapping.templates import parse_template
from authd.core.mapping.validity import Validity
from authd.sources.lockout_guard import SEEN_SECONDS, LockedOut, SeenIdentities


def identity(number: int) -> CallerIdentity:
    arn = parse_arn(f"arn:aws:iam::111122223333:user/User{number}")
    return CallerIdentity(
        arn=arn,
        arn_text=arn.canonical,
        canonical_arn=arn.canonical,
        key=arn.key,
        principal_id="AIDAUSER",
        access_key_id="AKIAUSER00000000",
    )


def table(*numbers: int) -> OrderedTables:
    rules = [
        Rule(subject=identity(n).arn, username=parse_template(f"user{n}"), groups=(), where=f"file:{n}:1")
        for n in numbers
    ]
    return OrderedTables(tables=(SourceTable("MountedFile", build_table(rules, {})),))


def account(number: str) -> OrderedTables:
    return OrderedTables(tables=(SourceTable("MountedFile", build_table([], {number: "file:1:1"})),))


def seen(clock: Clock, *numbers: int) -> SeenIdentities:
    identities = SeenIdentities(clock.seconds)
    for number in numbers:
        identities.note(identity(number))
    return identities


def test_removing_every_mapping_is_refused_and_removing_none_is_not() -> None:
    """An empty file is more likely a mistake than an intention."""
    with pytest.raises(LockedOut, match="every mapping"):
        finish(seen(Clock()).checking(table(), table(1), 0.5))
    with pytest.raises(LockedOut, match="every mapping") as caught:
        finish(seen(Clock(), 1, 2, 3).checking(table(), table(1, 2), 0.5))
    assert caught.value.names == tuple(identity(number).canonical_arn for number in (1, 2))
    finish(seen(Clock()).checking(table(), table(), 0.5))
    finish(seen(Clock()).checking(table(1), table(1), 0.5))


def test_more_than_the_share_of_those_seen_is_refused_by_name() -> None:
    """Six of ten are more than half, five are not."""
    identities = seen(Clock(), *range(10))
    old = table(*range(10))
    finish(identities.checking(table(5, 6, 7, 8, 9), old, 0.5))
    with pytest.raises(LockedOut, match="6 of the 10") as caught:
        finish(identities.checking(table(6, 7, 8, 9), old, 0.5))
    assert "arn:aws:iam::111122223333:user/User5" in caught.value.names


def test_a_share_of_one_allows_everything() -> None:
    """The setting switches the guard off."""
    finish(seen(Clock(), *range(20)).checking(table(), table(*range(20)), 1.0))


def test_one_alone_may_always_go() -> None:
    """One user who leaves is an ordinary change, also if few have logged in."""
    finish(seen(Clock(), 1).checking(table(2), table(1, 2), 0.1))
    finish(seen(Clock(), 1, 2).checking(table(2), table(1, 2), 0.1))


def test_a_few_count_as_many_do() -> None:
    """Two of three are more than half, in the smallest cluster too."""
    with pytest.raises(LockedOut, match="2 of the 3"):
        finish(seen(Clock(), 1, 2, 3).checking(table(3), table(1, 2, 3), 0.5))
    finish(seen(Clock(), 1, 2, 3, 4).checking(table(3, 4), table(1, 2, 3, 4), 0.5))


def test_those_of_more_than_an_hour_ago_or_not_mapped_before_do_not_count() -> None:
    """Only users who would lose existing access count as locked out."""
    clock = Clock()
    identities = seen(clock, *range(20))
    finish(identities.checking(table(1), table(1), 0.1))
    clock.advance(SEEN_SECONDS)
    finish(identities.checking(table(1), table(*range(20)), 0.1))


def test_users_of_a_whole_account_count() -> None:
    """Whole accounts and patterns give access too, and their removal locks users out."""
    everyone = account("111122223333")
    identities = seen(Clock(), 1, 2, 3)
    finish(identities.checking(everyone, table(1, 2, 3), 0.5))
    with pytest.raises(LockedOut, match="2 of the 3"):
        finish(identities.checking(table(3), everyone, 0.5))
    with pytest.raises(LockedOut, match="3 of the 3"):
        finish(identities.checking(account("999999999999"), everyone, 0.5))


def test_it_is_done_in_short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many users lose access, no step looks for nearest rules or takes long."""

    def nearest(*_: object) -> str:
        raise AssertionError("looked for the nearest mapping")

    monkeypatch.setattr(NearestIndex, "describe", nearest)
    identities = seen(Clock(), *range(2_000))
    steps = identities.checking(table(-1, -2), table(*range(2_000)), 0.5)
    for _ in range(50):
        next(steps)
    identities.note(identity(2_001))  # other work runs in between
    with pytest.raises(LockedOut, match="2000 of the 2000"):
        list(steps)


def test_memory_is_bounded() -> None:
    """The latest identities are kept."""
    assert len(seen(Clock(), *range(8_200))._seen) == 8_192


def timed(*ends: float) -> OrderedTables:
    rules = [
        TimedRule(
            subject=identity(n).arn, username=parse_template(f"user{n}"), groups=(), where=f"file:{n}:1",
            time=Validity(start=0.0, end=end),
        )
        for n, end in enumerate(ends, start=1)
    ]  # fmt: skip
    return OrderedTables(tables=(SourceTable("MountedFile", build_table(rules, {})),))


def test_rules_that_have_ended() -> None:
    """A rule that ended by itself does not count as lost. A change that ends rules at once does."""
    clock = Clock()
    identities = SeenIdentities(clock.seconds)
    for number in (1, 2, 3, 4):
        identities.note(identity(number))
    old = timed(99.0, 99.0, 200.0, 200.0)
    finish(identities.checking(timed(1.0, 1.0, 200.0, 200.0), old, 0.5, 100.0))
    finish(identities.checking(table(3, 4), old, 0.5, 100.0))
    with pytest.raises(LockedOut, match="2 of the 2 identities"):
        finish(identities.checking(table(1, 2), old, 0.5, 100.0))
    with pytest.raises(LockedOut, match="none of its rules is in force at this time"):
        finish(SeenIdentities(clock.seconds).checking(timed(100.0, 50.0), old, 0.5, 100.0))
    finish(identities.checking(timed(1.0), timed(99.0), 0.5, 100.0))
    finish(identities.checking(table(), timed(99.0), 0.5, 100.0))
