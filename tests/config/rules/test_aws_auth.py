"""The data of the ConfigMap aws-auth."""

from __future__ import annotations

import pytest

from authd.config.document.nodes import MappingNode, Scalar, SequenceNode
from authd.config.rules.aws_auth import reading_aws_auth
from authd.config.rules.entries import node_of_json
from authd.core.cooperative import finish
from authd.core.mapping.reserved import NO_PREFIXES, ReservedPrefixes
from tests.daemon.fakes import identity

RESERVED = ReservedPrefixes(usernames=("root",))
ACCOUNT = "111122223333"
NODES = f"""\
- rolearn: arn:aws:iam::{ACCOUNT}:role/Nodes
  username: node:{{{{SessionName}}}}
  groups:
    - system:bootstrappers
    - system:nodes
"""
USERS = f"""\
- userarn: arn:aws:iam::{ACCOUNT}:user/alice
  username: alice
  groups: [system:masters]
"""


@pytest.fixture
def read(partitions):
    return lambda data: finish(reading_aws_auth(data, partitions, partition="aws", patterns=False, reserved=RESERVED))


def test_format_of_eks(read):
    """The three lists are YAML texts."""
    found = read({"mapRoles": NODES, "mapUsers": USERS, "mapAccounts": '- "444455556666"\n'})
    node = found.table.lookup(identity(f"arn:aws:sts::{ACCOUNT}:assumed-role/Nodes/i-1"))
    assert (node.username, node.groups) == ("node:i-1", ("system:bootstrappers", "system:nodes"))
    assert node.rule == "configmap kube-system/aws-auth mapRoles:1:3"
    assert found.table.lookup(identity(f"arn:aws:iam::{ACCOUNT}:user/alice")).username == "alice"
    assert found.table.accounts == {"444455556666": "configmap kube-system/aws-auth mapAccounts:1:3"}
    assert found.table.reserved == RESERVED
    assert found.errors == ()


@pytest.mark.parametrize("data", [{}, {"mapRoles": ""}, {"mapRoles": "[]\n", "mapAccounts": "null"}, {"other": "x: ["}])
def test_empty(read, data):
    """Absent and empty lists map nobody."""
    found = read(data)
    assert (len(found.table), found.errors) == (0, ())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("mapRoles", NODES + "- rolearn: nonsense\n  username: x\n", "mapRoles:6:12: mapRoles.roleARN"),
        ("mapRoles", NODES + "- 7\n", "mapRoles:6:3: mapRoles must be a mapping"),
        ("mapRoles", "{", "mapRoles:2:1: not YAML"),
        ("mapRoles", "a: b", "mapRoles:1:1: mapRoles must be a list"),
        ("mapUsers", USERS + "- username: x\n", "mapUsers:4:3: mapUsers.userARN is missing"),
        ("mapAccounts", "- 12", "mapAccounts:1:3: mapAccounts must be an AWS account's number"),
    ],
)
def test_errors(read, name, text, message):
    """A bad entry is reported with its place, and the valid ones are read."""
    found = read({"mapRoles": NODES, "mapUsers": USERS, name: text})
    assert len(found.errors) == 1
    assert f"configmap kube-system/aws-auth {message}" in str(found.errors[0])
    assert 1 <= len(found.table) <= 2


@pytest.mark.parametrize(
    ("faulty", "message"),
    {
        "name in braces": ("username: {{SessionName}}", "quote it"),
        "foreign tag": ("username: !!binary YQ==", "the tag !!binary is not supported"),
        "name without anchor": ("username: *name", "*name has no anchor above"),
        "groups twice": ("username: a\n  groups: [b]\n  groups: [c]", "groups is duplicated"),
        "name in two spellings": ("username: a\n  userName: b", "userName is duplicated"),
        "time in two spellings": ("username: a\n  validUntil: 2099-01-01\n  ValidUntil: 2020-01-01", "is duplicated"),
        "merged without anchor": ("username: a\n  <<: *limits", "*limits has no anchor above"),
        "merged text": ("username: a\n  <<: limits", "a merge key (<<) takes a mapping"),
        "list for a key": ("username: a\n  ? [validUntil]\n  : 2020-01-01", "the name of a setting must be a string"),
        "empty key": ("username: a\n  '': 2020-01-01", "a setting's name is missing here"),
        "inner mapping": ("username: a\n  sso: {a: 1, A: 2}", "A is duplicated"),
    }.values(),
)
def test_entries_with_a_fault_in_their_yaml(read, faulty, message):
    """An entry that has lost a value to an error maps nobody, rather than with a default in its place."""
    found = read({"mapUsers": f"{USERS}- userarn: arn:aws:iam::{ACCOUNT}:user/bob\n  {faulty}\n"})
    assert len(found.errors) == 1
    assert message in str(found.errors[0])
    assert [rule.username.text for rule in found.table.exact.values()] == ["alice"]


@pytest.mark.parametrize(
    ("lines", "messages"),
    [
        ("username: bob\n  groups: [a, '1', b]", []),
        ("username: 'yes'\n  groups:", []),
        ("username: 1234\n  groups: [a]", ["1234 is a name here"]),
        ("username: off\n  groups: [0x1F, a, true]", ["off is a name", "0x1F is a name", "true is a name"]),
        ("username: bob\n  groups: system:masters", ["groups: a text counts as a list here"]),
        ("username: bob\n  groups: 'a,b'", ["groups: a text counts as a list here"]),
        ("username: bob\n  groups: yes", ["groups: a text counts as a list here"]),
    ],
)
def test_values_of_other_types(read, lines, messages):
    """Values that aws-iam-authenticator drops for their type are read, with a warning."""
    found = read({"mapUsers": f"- userarn: arn:aws:iam::{ACCOUNT}:user/bob\n  {lines}\n"})
    assert (len(found.table), found.errors) == (1, ())
    assert len(found.warnings) == len(messages)
    assert all(message in str(warning) for message, warning in zip(messages, found.warnings, strict=True))


def test_unknown_keys(read):
    """Unknown keys, which EKS ignores, are warnings."""
    found = read({"mapUsers": USERS + "  team: a\n", "mapRoles": ""})
    assert (len(found.table), found.errors) == (1, ())
    assert [str(warning) for warning in found.warnings] == [
        "configmap kube-system/aws-auth mapUsers:4:3: team has no effect: rules have no such key"
    ]


def test_steps(partitions):
    """Long lists are read in steps."""
    text = "".join(f"- userarn: arn:aws:iam::{ACCOUNT}:user/u{n}\n  username: u{n}\n" for n in range(200))
    steps = reading_aws_auth({"mapUsers": text}, partitions, partition="aws", patterns=False, reserved=NO_PREFIXES)
    assert sum(1 for _ in steps) > 5


def test_json_nodes():
    """JSON values become nodes without places. A value that nests too deep becomes a text."""
    node = node_of_json({"A": ["b", 7, None, True]})
    assert isinstance(node, MappingNode)
    key, value = node.entries["a"]
    assert key.text == "A"
    assert isinstance(value, SequenceNode)
    assert [each.text for each in value.nodes if isinstance(each, Scalar)] == ["b", "7", "", "True"]
    deep: list = []
    for _ in range(100):
        deep = [deep]
    assert isinstance(node_of_json(deep), SequenceNode)
    assert isinstance(node_of_json({"a": {"b": {}}}, depth=20), Scalar)
