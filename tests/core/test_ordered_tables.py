"""Tables of several sources: the first one with a matching rule decides."""

from __future__ import annotations

import pytest

from authd.core.errors import DenialReason, Denied
from authd.core.mapping import build_table
from authd.core.ordered_tables import OrderedTables, SourceTable
from tests.daemon.fakes import identity

ACCOUNT = "111122223333"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"


@pytest.fixture
def tables(rules) -> OrderedTables:
    first = build_table([rules.arn(ALICE, "first")], {})
    second = build_table([rules.arn(ALICE, "second")], {ACCOUNT: "f:9:5"})
    return OrderedTables(tables=(SourceTable("MountedFile", first), SourceTable("EKSConfigMap", second)))


def test_the_first_table_with_a_matching_rule_decides(tables: OrderedTables) -> None:
    """A later table is asked only if no earlier one has a rule."""
    assert tables.lookup(identity(ALICE)).username == "first"
    bob = identity(f"arn:aws:iam::{ACCOUNT}:user/bob")
    assert tables.lookup(bob).rule == "f:9:5"
    match = tables.find(bob)
    assert match is not None
    assert match.source == "EKSConfigMap"
    assert len(tables) == 3


def test_an_unmapped_identity_gets_the_nearest_rule_of_each_source(tables: OrderedTables) -> None:
    """Each source with rules is named."""
    with pytest.raises(Denied, match=r"no mapping matches: MountedFile: .*; EKSConfigMap: ") as caught:
        tables.lookup(identity("arn:aws:iam::444455556666:user/alice"))
    assert caught.value.reason == DenialReason.IDENTITY_NOT_MAPPED


def test_no_mappings_at_all() -> None:
    """Without any rule there is no nearest one."""
    with pytest.raises(Denied, match="there are no mappings at all"):
        OrderedTables().lookup(identity(ALICE))


def test_replacing_leaves_the_others(tables: OrderedTables) -> None:
    """One source's table is replaced; the old object stays as it was. An unknown source changes nothing."""
    replaced = tables.replaced("MountedFile", build_table([], {}))
    assert replaced.lookup(identity(ALICE)).username == "second"
    assert tables.lookup(identity(ALICE)).username == "first"
    assert tables.replaced("CRD", build_table([], {})) == tables
