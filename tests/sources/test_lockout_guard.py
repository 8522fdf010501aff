"""The lock-out guard."""

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


def test_removing_every_mapping_is_refused() -> None:
    """A table without mappings is refused, because it is more likely a mistake than intended."""
    with pytest.raises(LockedOut, match="every mapping"):
        finish(seen(Clock()).checking(table(), table(1), 0.5))
    with pytest.raises(LockedOut, match="every mapping") as caught:
        finish(seen(Clock(), 1, 2, 3).checking(table(), table(1, 2), 0.5))
    assert caught.value.names == tuple(identity(number).canonical_arn for number in (1, 2))
    finish(seen(Clock()).checking(table(), table(), 0.5))
    finish(seen(Clock()).checking(table(1), table(1), 0.5))


def test_the_share_of_locked_out_identities() -> None:
    """Six of ten identities exceed a share of one half, five do not. The refusal names them."""
    identities = seen(Clock(), *range(10))
    old = table(*range(10))
    finish(identities.checking(table(5, 6, 7, 8, 9), old, 0.5))
    with pytest.raises(LockedOut, match="6 of the 10") as caught:
        finish(identities.checking(table(6, 7, 8, 9), old, 0.5))
    assert "arn:aws:iam::111122223333:user/User5" in caught.value.names


def test_a_share_of_one_allows_everything() -> None:
    """A share of one switches the guard off."""
    finish(seen(Clock(), *range(20)).checking(table(), table(*range(20)), 1.0))


def test_a_single_identity_is_always_allowed() -> None:
    """Locking out a single user is an ordinary change, even if only few have logged in."""
    finish(seen(Clock(), 1).checking(table(2), table(1, 2), 0.1))
    finish(seen(Clock(), 1, 2).checking(table(2), table(1, 2), 0.1))


def test_few_identities() -> None:
    """Two of three identities exceed one half, even in a small cluster."""
    with pytest.raises(LockedOut, match="2 of the 3"):
        finish(seen(Clock(), 1, 2, 3).checking(table(3), table(1, 2, 3), 0.5))
    finish(seen(Clock(), 1, 2, 3, 4).checking(table(3, 4), table(1, 2, 3, 4), 0.5))


def test_identities_that_do_not_count() -> None:
    """Only identities of the last hour that have access now count as locked out."""
    clock = Clock()
    identities = seen(clock, *range(20))
    finish(identities.checking(table(1), table(1), 0.1))
    clock.advance(SEEN_SECONDS)
    finish(identities.checking(table(1), table(*range(20)), 0.1))


def test_users_of_a_whole_account_count() -> None:
    """Removing whole accounts and patterns locks out their users too."""
    everyone = account("111122223333")
    identities = seen(Clock(), 1, 2, 3)
    finish(identities.checking(everyone, table(1, 2, 3), 0.5))
    with pytest.raises(LockedOut, match="2 of the 3"):
        finish(identities.checking(table(3), everyone, 0.5))
    with pytest.raises(LockedOut, match="3 of the 3"):
        finish(identities.checking(account("999999999999"), everyone, 0.5))


def test_it_runs_in_short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of many users runs in short steps and never searches for nearest rules."""

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
    """Only the latest identities are stored."""
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
    """A rule that has ended by itself does not lock anyone out. A change that ends rules does."""
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
