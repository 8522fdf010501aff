"""Dynamic files in JSON and in YAML."""

from __future__ import annotations

import json

import pytest

from authd.config.document.problems import InvalidSettings, Problems
from authd.config.dynamic_file import reading_dynamic_file
from authd.core.cooperative import finish
from authd.core.mapping.reserved import NO_PREFIXES, ReservedPrefixes
from tests.daemon.fakes import identity

RESERVED = ReservedPrefixes(usernames=("x:",))
ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Dev"
USER = f"arn:aws:iam::{ACCOUNT}:user/alice"
ROLE_ID, USER_ID = "AROAEXAMPLEEXAMPLE00", "AIDAEXAMPLEEXAMPLE00"
CONTENT = {
    "LastUpdatedDateTime": "2026-01-01 00:00:00",
    "Version": "1",
    "ClusterID": "prod",
    "mapRoles": [{"rolearn": ROLE, "username": "dev:{{SessionName}}", "groups": ["devs"], "userid": ROLE_ID}],
    "mapUsers": [{"userarn": USER, "username": "alice", "groups": [], "userid": USER_ID}],
    "mapAccounts": ["444455556666"],
}


@pytest.fixture
def read(partitions):
    def read(content, *, strict=False):
        problems = Problems("f")
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        table = finish(
            reading_dynamic_file(
                text, problems, partitions, partition="aws", patterns=False, strict=strict, reserved=RESERVED
            )
        )
        return table, [str(warning) for warning in problems.warnings()]

    return read


def names(table, *identities):
    return [None if table.find(who) is None else table.lookup(who).username for who in identities]


def test_json(read):
    """The JSON format of aws-iam-authenticator is read without a warning."""
    table, warnings = read(CONTENT)
    session = identity(f"arn:aws:sts::{ACCOUNT}:assumed-role/Dev/bob")
    assert names(table, session, identity(USER)) == ["dev:bob", "alice"]
    assert set(table.accounts) == {"444455556666"}
    assert table.reserved == RESERVED
    assert warnings == []


@pytest.mark.parametrize("indent", [2, "\t"])
def test_indented_json(read, indent):
    """JSON may be indented, also by tabs."""
    assert len(read(json.dumps(CONTENT, indent=indent).encode())[0]) == 3


def test_yaml(read):
    """The file may also be YAML."""
    table, _ = read(f"mapUsers:\n- userArn: {USER}\n  username: alice\n".encode())
    assert names(table, identity(USER)) == ["alice"]


def test_strict(read):
    """Strict files match by ID, and also by ARN if the rule has one."""
    content = {
        **CONTENT,
        "mapUsers": [
            {"userid": USER_ID, "username": "by-id"},
            {"userid": "AIDATWOTWOTWOTWOTWO0", "userarn": USER, "username": "by-both"},
        ],
    }
    table, warnings = read(content, strict=True)
    other = f"arn:aws:iam::{ACCOUNT}:user/other"
    assert names(table, identity(other, USER_ID), identity(USER, "AIDATWOTWOTWOTWOTWO0")) == ["by-id", "by-both"]
    assert names(table, identity(other, "AIDATWOTWOTWOTWOTWO0"), identity(USER)) == [None, None]
    assert warnings == []


def test_strict_twice(read):
    """The later of two rules for one ID is in force."""
    rules = [{"userid": USER_ID, "username": "one"}, {"userid": USER_ID, "username": "two"}]
    table, warnings = read({"mapUsers": rules}, strict=True)
    assert names(table, identity(USER, USER_ID)) == ["two"]
    assert warnings == [f"f:1:70: userId {USER_ID} is already used at f:1:15: this rule replaces it"]


@pytest.mark.parametrize(
    ("content", "strict", "message"),
    [
        (b"", False, "the dynamic file is empty"),
        (b"[]", False, "f:1:1: a dynamic file must be a mapping"),
        (b"{", False, "not YAML"),
        (b"\xff", False, "not text in UTF-8"),
        (b"- &a !x\n", False, "a dynamic file must be"),
        (b"!!omap {}", False, "the tag"),
        ({"mapRoles": [{"rolearn": "x", "username": "y"}]}, False, "f:1:27: mapRoles.roleARN"),
        ({"mapRoles": ["x"]}, False, "mapRoles must be a mapping"),
        ({"mapRoles": "x"}, False, "f:1:14: mapRoles must be a list"),
        ({"mapAccounts": ["7"]}, False, "mapAccounts must be an AWS account"),
        ({"mapAccounts": {"a": "b"}}, False, "mapAccounts must be a list"),
        ({"mapRoles": [{"rolearn": "x", "username": "y", "userid": ROLE_ID}]}, True, "mapRoles.roleARN"),
        ({"mapRoles": [{"rolearn": ROLE, "username": "y"}]}, True, "userId is missing: server.dynamicFileUserIDStrict"),
        ({"mapRoles": [{"rolearn": ROLE, "username": "y", "userid": "x"}]}, True, "userId must be the unique ID"),
        ({"mapRoles": [7]}, True, "mapRoles must be a mapping"),
    ],
)
def test_errors(read, content, strict, message):
    """An error in one entry makes the file unusable and is reported with its place."""
    with pytest.raises(InvalidSettings) as caught:
        read(content, strict=strict)
    assert message in str(caught.value)


def test_null_lists(read):
    """A null list is empty, and unknown keys are warnings."""
    table, warnings = read(
        b'{"mapRoles": null, "mapUsers": [{"userarn": "%b", "username": "a", "note": 1}], "x": 1}' % USER.encode()
    )
    assert len(table) == 1
    assert warnings == [
        "f:1:102: note has no effect: rules have no such key",
        "f:1:115: x has no effect in a dynamic file",
    ]


def test_steps(partitions):
    """Many rules are read in steps."""
    users = [{"userarn": f"arn:aws:iam::{ACCOUNT}:user/u{number}", "username": "u"} for number in range(300)]
    steps = reading_dynamic_file(
        json.dumps({"mapUsers": users}).encode(), Problems("f"), partitions,
        partition="aws", patterns=False, strict=False, reserved=NO_PREFIXES,
    )  # fmt: skip
    assert sum(1 for _ in steps) > 10


def test_sso_in_strict_files(read):
    """A permission set's rule with an ID matches that ID."""
    sso = {"permissionSetName": "Admin", "accountID": ACCOUNT}
    table, _ = read({"mapRoles": [{"sso": sso, "userid": ROLE_ID, "username": "a"}]}, strict=True)
    assert names(table, identity(f"arn:aws:sts::{ACCOUNT}:assumed-role/X/y", ROLE_ID)) == ["a"]


@pytest.mark.parametrize(
    ("escaped", "username"),
    [
        ("\\ud83d\\ude00", "\U0001f600"),
        ("a\\uD83D\\uDE00b", "a\U0001f600b"),
        ("\\\\ud83d\\\\ude00", "\\ud83d\\ude00"),
        ("\\u00e9\\\\ud", "\u00e9\\ud"),
    ],
)
def test_surrogate_pairs(read, escaped, username):
    """Characters that JSON writes as two escapes are read as one."""
    rule = f'{{"userarn": "{USER}", "username": "{escaped}"}}'
    table, _ = read(f'{{"mapUsers": [{rule}]}}'.encode())
    assert names(table, identity(USER)) == [username]


def test_null_accounts(read):
    """A null or an empty text among the accounts is left out."""
    table, _ = read({"mapAccounts": [None, "", "444455556666"]})
    assert set(table.accounts) == {"444455556666"}
