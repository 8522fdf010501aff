from __future__ import annotations

import json
from pathlib import Path

import pytest

from authd.emulator.directory.directory import AccessKey, Directory
from authd.emulator.directory.errors import EmulatorError
from authd.emulator.directory.json_file import load_directory, read_directory
from authd.emulator.directory.principals import FederatedUser, Role, RoleSession, Root, User
from authd.emulator.directory.sample import sample_directory

ACCOUNT = "111122223333"
SECRET = "s3cr3t/of+the+test"
KEY = {"id": "AKIAEMULATORALICE000", "secret": SECRET}
FULL = {
    "partition": "aws-us-gov",
    "users": [{"account": ACCOUNT, "name": "alice", "path": "/team/", "userId": "AIDAALICE", "accessKeys": [KEY]}],
    "roots": [{"account": ACCOUNT, "accessKeys": [KEY | {"id": "AKIAEMULATORROOT0000"}]}],
    "federatedUsers": [
        {
            "account": ACCOUNT,
            "name": "carol",
            "accessKeys": [{"id": "ASIAEMULATORCAROL000", "secret": SECRET, "sessionToken": "tok", "expires": 17}],
        }
    ],
    "roles": [
        {
            "account": ACCOUNT,
            "name": "Admin",
            "path": "/ops/",
            "roleId": "AROAADMIN",
            "trusts": ["*"],
            "externalId": "x",
            "mfa": {"serial": "arn:mfa", "code": "123456"},
            "maxSessionSeconds": 7200,
            "sessions": [{"name": "s-1", "accessKeys": [KEY | {"id": "ASIAEMULATORSESSION0", "sessionToken": "t"}]}],
        }
    ],
    "webIdentities": [{"token": "jwt", "subject": "me", "provider": "p", "audience": "a", "roles": ["arn:r"]}],
    "disabledRegions": {ACCOUNT: ["eu-west-1"]},
    "sessionTokenLength": 900,
}


def test_full_file(tmp_path: Path) -> None:
    """Every member of the format is read."""
    path = tmp_path / "directory.json"
    path.write_text(json.dumps(FULL))
    directory = load_directory(path)
    role = Role(
        account=ACCOUNT,
        name="Admin",
        path="/ops/",
        role_id="AROAADMIN",
        trusts=frozenset({"*"}),
        external_id="x",
        mfa_serial="arn:mfa",
        mfa_code="123456",
        max_session_seconds=7200,
    )
    assert directory.partition == "aws-us-gov"
    assert dict(directory.roles) == {f"arn:aws-us-gov:iam::{ACCOUNT}:role/ops/Admin": role}
    assert [key.owner for key in directory.keys.values()] == [
        RoleSession(role=role, session_name="s-1"),
        User(account=ACCOUNT, name="alice", path="/team/", user_id="AIDAALICE"),
        Root(account=ACCOUNT),
        FederatedUser(account=ACCOUNT, name="carol"),
    ]
    carol = directory.keys["ASIAEMULATORCAROL000"]
    assert (carol.secret, carol.session_token, carol.expires) == (SECRET, "tok", 17)
    assert directory.web_identities["jwt"].roles == {"arn:r"}
    assert directory.disabled_regions[ACCOUNT] == {"eu-west-1"}
    assert directory.session_token_length == 900
    session = directory.keys["ASIAEMULATORSESSION0"].owner.principal("aws-us-gov")
    assert session.user_id == "AROAADMIN:s-1"


def test_empty_file() -> None:
    """Every member is optional."""
    assert read_directory({}) == Directory.of()


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([], "directory must be an object"),
        ({"user": []}, "directory has no member 'user'; known are"),
        ({"users": {}}, r"directory.users must be of type list"),
        ({"users": ["x"]}, r"directory.users\[0\] must be an object"),
        ({"users": [{"name": "a"}]}, r"directory.users\[0\].account is missing"),
        ({"users": [{"account": 111122223333, "name": "a"}]}, r"users\[0\].account must be of type str"),
        ({"users": [{"account": "1", "name": "a"}]}, "account '1' does not match"),
        ({"users": [{"account": ACCOUNT, "name": "a b"}]}, "user name 'a b' does not match"),
        ({"users": [{"account": ACCOUNT, "name": "a", "path": "x"}]}, "path 'x' does not match"),
        ({"users": [{"account": ACCOUNT, "name": "a", "acessKeys": []}]}, "no member 'acessKeys'"),
        ({"users": [{"account": ACCOUNT, "name": "a", "accessKeys": [{"id": "x"}]}]}, r"accessKeys\[0\].secret is"),
        ({"users": [{"account": ACCOUNT, "name": "a", "accessKeys": [KEY | {"id": "x"}]}]}, "access key id 'x'"),
        ({"users": [{"account": ACCOUNT, "name": "a", "accessKeys": [KEY, KEY]}]}, "the same access key twice"),
        ({"roots": [{"account": "x"}]}, "account 'x' does not match"),
        ({"federatedUsers": [{"account": ACCOUNT, "name": ""}]}, "federated user name"),
        ({"roles": [{"account": ACCOUNT, "name": "r"}] * 2}, "the same role twice"),
        ({"roles": [{"account": ACCOUNT, "name": "r", "mfa": {"serial": "s"}}]}, "both a serial and a code"),
        ({"roles": [{"account": ACCOUNT, "name": "r", "mfa": {"seriel": "s"}}]}, "mfa has no member 'seriel'"),
        ({"roles": [{"account": ACCOUNT, "name": "r", "maxSessionSeconds": 1}]}, "3600 to 43200 seconds"),
        ({"roles": [{"account": ACCOUNT, "name": "r", "maxSessionSeconds": True}]}, "must be of type int"),
        ({"roles": [{"account": ACCOUNT, "name": "r", "trusts": "*"}]}, "trusts must be of type list"),
        ({"roles": [{"account": ACCOUNT, "name": "r", "trusts": [1]}]}, "trusts must be a list of strings"),
        ({"roles": [{"account": ACCOUNT, "name": "r", "arn": "x"}]}, "no member 'arn'"),
        ({"webIdentities": [{"token": "t"}]}, r"webIdentities\[0\].subject is missing"),
        ({"webIdentities": [{"token": "t", "subject": "s", "x": 1}]}, "no member 'x'"),
        ({"disabledRegions": {ACCOUNT: "eu-west-1"}}, "must be of type list"),
        ({"partition": "AWS"}, "partition 'AWS' does not match"),
        ({"sessionTokenLength": 100_000}, "up to 8192 characters"),
    ],
)
def test_wrong_members(members: object, words: str) -> None:
    """An error in a directory is reported with its place, and without secrets."""
    with pytest.raises(EmulatorError, match=words) as caught:
        read_directory(members)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000], ids=["empty", "open", "binary", "deep"])
def test_unreadable_file(tmp_path: Path, content: bytes) -> None:
    """A file that isn't JSON is refused with its name."""
    path = tmp_path / "directory.json"
    path.write_bytes(content)
    with pytest.raises(EmulatorError, match=r"directory\.json: can't be read as JSON"):
        load_directory(path)


def test_missing_file(tmp_path: Path) -> None:
    """A missing file is refused with its name."""
    with pytest.raises(EmulatorError, match=r"nothing\.json"):
        load_directory(tmp_path / "nothing.json")


def test_unique_ids_are_stable() -> None:
    """A user's unique ID is the same at every start, and differs from another user's."""
    ids = {key.owner.principal("aws").user_id for key in sample_directory().keys.values()}
    assert ids == {key.owner.principal("aws").user_id for key in sample_directory().keys.values()}
    assert len(ids) == len(sample_directory().keys)


def test_same_key_twice() -> None:
    """A directory built in code may not repeat a key either."""
    key = AccessKey(key_id="AKIAEMULATORALICE000", secret=SECRET, owner=Root(account=ACCOUNT))
    with pytest.raises(EmulatorError, match="same access key twice"):
        Directory.of(keys=[key, key])
