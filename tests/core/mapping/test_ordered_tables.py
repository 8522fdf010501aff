"""Tables of several sources: the first one with a matching rule decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from authd.core.errors import DenialReason, Denied
from authd.core.mapping.ordered_tables import OrderedTables, SourceTable
from authd.core.mapping.table import build_table
from authd.core.mapping.templates import parse_template
from tests.daemon.fakes import identity

ACCOUNT = "111122223333"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"


@pytest.fixture
def tables(rules) -> OrderedTables:
    first = build_table([rules.arn(ALICE, "first")], {})
    second = build_table([rules.arn(ALICE, "second")], {ACCOUNT: "f:9:5"})
    return OrderedTables(tables=(SourceTable("MountedFile", first), SourceTable("EKSConfigMap", second)))


def test_the_first_table_with_a_matching_rule_decides(tables: OrderedTables) -> None:
    """A later table is used only if no earlier one has a rule."""
    assert tables.lookup(identity(ALICE)).username == "first"
    bob = identity(f"arn:aws:iam::{ACCOUNT}:user/bob")
    assert tables.lookup(bob).rule == "f:9:5"
    match = tables.find(bob)
    assert match is not None
    assert match.source == "EKSConfigMap"
    assert len(tables) == 3


def test_an_unmapped_identity_gets_the_nearest_rule_of_each_source(tables: OrderedTables) -> None:
    """The description has the nearest rule of each source that has rules."""
    with pytest.raises(Denied, match=r"no mapping matches: MountedFile: .*; EKSConfigMap: ") as caught:
        tables.lookup(identity("arn:aws:iam::444455556666:user/alice"))
    assert caught.value.reason == DenialReason.IDENTITY_NOT_MAPPED


def test_no_mappings_at_all() -> None:
    """Without any rule, the description says so."""
    with pytest.raises(Denied, match="there are no mappings"):
        OrderedTables().lookup(identity(ALICE))


def test_replacing_leaves_the_others(tables: OrderedTables) -> None:
    """`replaced` returns a copy with one source's new table. An unknown source changes nothing."""
    replaced = tables.replaced("MountedFile", build_table([], {}))
    assert replaced.lookup(identity(ALICE)).username == "second"
    assert tables.lookup(identity(ALICE)).username == "first"
    assert tables.replaced("CRD", build_table([], {})) == tables


def test_names_of_instances(rules) -> None:
    """A rule that needs an instance's name is recognised before it is rendered."""
    rule = rules.arn(ALICE, "node:{{EC2PrivateDNSName}}")
    tables = OrderedTables(tables=(SourceTable("MountedFile", build_table([rule], {ACCOUNT: "f:9:5"})),))
    match = tables.match(identity(ALICE))
    assert match.needs_instance_name
    assert match.render(identity(ALICE), "ip-1").username == "node:ip-1"
    assert tables.explain(identity(ALICE)).username == "node:{{EC2PrivateDNSName}}"
    (entry,) = tables.tables
    assert entry.table.explain(identity(ALICE)).username == "node:{{EC2PrivateDNSName}}"
    with pytest.raises(Denied, match="no mapping matches"):
        entry.table.explain(identity("arn:aws:iam::444455556666:user/alice"))
    with pytest.raises(Denied, match=r"no value for \{\{EC2PrivateDNSName\}\}"):
        match.render(identity(ALICE))
    assert not tables.match(identity(f"arn:aws:iam::{ACCOUNT}:user/bob")).needs_instance_name


def test_names_of_instances_in_groups(rules) -> None:
    """Groups may contain the instance's name too, also in a rule without a user name."""
    rule = replace(rules.arn(ALICE, "x"), username=None, groups=(parse_template("g:{{EC2PrivateDNSName}}"),))
    assert rule.needs_instance_name
    assert not replace(rule, groups=()).needs_instance_name
