"""The copy of a table: all of its content survives a round trip through JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from authd.config.table_copy import InvalidCopy, parse_copy, reading_copy, writing_copy
from authd.core.cooperative import finish
from authd.core.mapping.reserved import NO_PREFIXES, ReservedPrefixes
from authd.core.mapping.rules import chain
from authd.core.mapping.table import build_table

HEAD = "clusterID: c\nserver:\n"
RESERVED = ReservedPrefixes(usernames=("u:",), groups=("g:",))
ACCOUNT = "arn:aws:iam::111122223333"
RULES = f"""\
  mapRoles:
  - {{roleARN: {ACCOUNT}:role/team/Admin, username: "admin:{{{{SessionName}}}}", groups: [system:masters, "g: {{{{AccountID}}}}"]}}
  - {{roleARN: {ACCOUNT}:role/Node, username: "system:node:{{{{EC2PrivateDNSName}}}}"}}
  - {{roleARN: {ACCOUNT}:role/Dev, username: "null"}}
  - {{roleARN: {ACCOUNT}:role/Dev, username: late, validFrom: 2030-01-01, validUntil: 2031-01-01T00:00:01Z}}
  - {{sso: {{permissionSetName: Ops, accountID: "111122223333"}}, username: ops}}
  - {{roleARN: "{ACCOUNT}:role/any-*", username: any}}
  - {{roleARN: "arn:aws:sts::111122223333:federated-user/Bob", username: bob}}
  mapUsers:
  - {{userARN: {ACCOUNT}:user/team/alice}}
  - {{userARN: {ACCOUNT}:root, username: root}}
  mapAccounts: ["012345670123"]
"""


def read(content, partitions, *, patterns=True):
    return finish(
        reading_copy(
            parse_copy(content), partitions, partition="aws", patterns=patterns, reserved=RESERVED
        )
    )  # fmt: skip


@pytest.mark.parametrize("patterns", [True, False])
def test_round_trip(load, partitions, patterns):
    """Every kind of rule, name, place and time survives a round trip, and the second copy equals the first."""
    table = load(f"{HEAD}  rolePatterns: {str(patterns).lower()}\n{RULES}").table
    content = finish(writing_copy(table, {"format": 1}))
    again = read(content, partitions, patterns=patterns)
    assert [list(chain(rule)) for rule in again.exact.values()] == [list(chain(rule)) for rule in table.exact.values()]
    assert again.patterns == table.patterns
    assert (again.accounts, again.timetable) == (table.accounts, table.timetable)
    assert again.reserved == RESERVED
    assert finish(writing_copy(again, {"format": 1})) == content
    assert parse_copy(content)["format"] == 1


def test_an_empty_table(partitions):
    """A table without rules survives the round trip too."""
    content = finish(writing_copy(build_table([], {}), {}))
    assert len(read(content, partitions)) == 0


def test_steps(rules, partitions):
    """Many rules are written and read in steps."""
    many = [rules.arn(f"{ACCOUNT}:user/u{number}", where=f"f:{number}:1") for number in range(200)]
    steps = writing_copy(build_table(many, {}), {})
    assert sum(1 for _ in steps) == 10
    copy = parse_copy(finish(writing_copy(build_table(many, {}), {})))
    reading = reading_copy(copy, partitions, partition="aws", patterns=False, reserved=NO_PREFIXES)
    assert sum(1 for _ in reading) >= 10


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", "it is not a copy of mappings"),
        ("{}", "it is not a copy of mappings"),
        ('{"rules": {}, "accounts": {}}', "it is not a copy of mappings"),
        ('{"rules": [], "accounts": []}', "it is not a copy of mappings"),
        ('{"rules": [], "accounts": {"1": 2}}', "it is not a copy of mappings"),
        ('{"rules": [7], "accounts": {}}', "one of its rules has no place"),
        ('{"rules": [{"userarn": "x"}], "accounts": {}}', "one of its rules has no place"),
        ('{"rules": [{"userarn": "x", "where": "f:1:2"}], "accounts": {}}', "its rule of f:1:2 can't be read"),
        ('{"rules": [{"where": "f:1:2"}], "accounts": {}}', "its rule of f:1:2 can't be read"),
    ],
)
def test_invalid_copies(partitions, content, message):
    """Any other content is refused with a sentence."""
    with pytest.raises(InvalidCopy, match=message):
        read(content.encode(), partitions)


@pytest.mark.parametrize("change", [{"validUntil": "never"}, {"validTill": "2030-01-01"}, {"username": "{{Nonsense}}"}])
def test_wrong_rules(rules, partitions, change):
    """A copy with a wrong rule, for example after an edit by hand, is refused."""
    copy = json.loads(finish(writing_copy(build_table([rules.arn(f"{ACCOUNT}:user/a")], {}), {})))
    copy["rules"][0].update(change)
    with pytest.raises(InvalidCopy, match="can't be read"):
        read(json.dumps(copy).encode(), partitions)


def test_places_stay(rules, partitions):
    """A rule keeps the place where it was written."""
    rule = replace(rules.arn(f"{ACCOUNT}:user/a"), where="iamidentitymapping a")
    content = finish(writing_copy(build_table([rule], {}), {}))
    assert [each.where for each in read(content, partitions).rules()] == ["iamidentitymapping a"]
