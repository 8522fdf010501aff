"""The guard against locking everyone out."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from authd.core.arn import parse_arn
from authd.core.caller_identity import CallerIdentity
from authd.core.mapping import MappingTable, Rule, build_table
from authd.core.templates import parse_template
from authd.lockout import SEEN_SECONDS, LockedOut, SeenIdentities


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


def table(*numbers: int) -> MappingTable:
    rules = [
        Rule(subject=identity(n).arn, username=parse_template(f"user{n}"), groups=(), where=f"file:{n}:1")
        for n in numbers
    ]
    return build_table(rules, {})


def seen(clock: Clock, *numbers: int) -> SeenIdentities:
    identities = SeenIdentities(clock.seconds)
    for number in numbers:
        identities.note(identity(number))
    return identities


def test_removing_every_mapping_is_refused_and_removing_none_is_not() -> None:
    """An emptied file is more likely a mistake than a wish."""
    with pytest.raises(LockedOut, match="every mapping"):
        seen(Clock()).check(table(), table(1), 0.5)
    seen(Clock()).check(table(), table(), 0.5)
    seen(Clock()).check(table(1), table(1), 0.5)


def test_more_than_the_share_of_those_seen_is_refused_by_name() -> None:
    """Six of ten are more than half, five are not."""
    identities = seen(Clock(), *range(10))
    old = table(*range(10))
    identities.check(table(5, 6, 7, 8, 9), old, 0.5)
    with pytest.raises(LockedOut, match="6 of the 10") as caught:
        identities.check(table(6, 7, 8, 9), old, 0.5)
    assert "arn:aws:iam::111122223333:user/User5" in caught.value.names


def test_a_share_of_one_allows_everything() -> None:
    """The setting switches the guard off."""
    seen(Clock(), *range(20)).check(table(), table(*range(20)), 1.0)


def test_few_identities_say_nothing() -> None:
    """Removing one of two mappings is an ordinary change."""
    seen(Clock(), 1, 2).check(table(2), table(1, 2), 0.1)


def test_those_of_more_than_an_hour_ago_or_not_mapped_before_do_not_count() -> None:
    """Only who would lose access that they have is locked out."""
    clock = Clock()
    identities = seen(clock, *range(20))
    identities.check(table(1), table(1), 0.1)
    clock.advance(SEEN_SECONDS)
    identities.check(table(1), table(*range(20)), 0.1)


def test_memory_is_bounded() -> None:
    """The latest identities are kept."""
    assert len(seen(Clock(), *range(8_200))._seen) == 8_192
