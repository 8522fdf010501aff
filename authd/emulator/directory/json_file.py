"""The directory as JSON: read from a file, or from a plain dictionary of the same shape.

::

    {"partition": "aws",
     "users": [{"account": "111122223333", "name": "alice", "path": "/team/",
                "accessKeys": [{"id": "AKIA…", "secret": "…"}]}],
     "roots": [{"account": "111122223333", "accessKeys": […]}],
     "federatedUsers": [{"account": "111122223333", "name": "bob",
                         "accessKeys": [{"id": "ASIA…", "secret": "…", "sessionToken": "…", "expires": 1900000000}]}],
     "roles": [{"account": "111122223333", "name": "Admin", "path": "/", "trusts": ["arn:aws:iam::111122223333:root"],
                "externalId": "…", "mfa": {"serial": "arn:…", "code": "123456"}, "maxSessionSeconds": 3600,
                "sessions": [{"name": "alice", "accessKeys": […]}]}],
     "webIdentities": [{"token": "…", "subject": "…", "provider": "…", "audience": "…", "roles": ["arn:…"]}],
     "disabledRegions": {"111122223333": ["eu-west-1"]},
     "instances": [{"id": "i-0123456789abcdef0", "account": "111122223333", "privateDnsName": "ip-10-0-0-1.internal"}],
     "sessionTokenLength": 760}

Only `account`, `name` and a key's `id` and `secret` are required.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from authd.emulator.directory.directory import USUAL_SESSION_TOKEN_LENGTH, AccessKey, Directory, WebIdentity
from authd.emulator.directory.errors import EmulatorError
from authd.emulator.directory.instances import Instance
from authd.emulator.directory.json_members import Members
from authd.emulator.directory.principals import DEFAULT_SESSION_SECONDS, FederatedUser, Role, RoleSession, Root, User

if TYPE_CHECKING:
    from pathlib import Path

    from authd.emulator.directory.directory import Owner


def load_directory(path: Path) -> Directory:
    """Read a directory from a JSON file. Raises `EmulatorError` with the file's name and the error."""
    try:
        members = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EmulatorError(f"{path}: can't be read as JSON: {error}") from None
    try:
        return read_directory(members)
    except EmulatorError as error:
        raise EmulatorError(f"{path}: {error}") from None


def read_directory(members: object) -> Directory:
    """Read a directory from a dictionary. Raises `EmulatorError` with the place of the error, never a value."""
    top = Members(members, "directory")
    roles = [_role(entry) for entry in top.entries("roles")]
    keys = [key for _, session_keys in roles for key in session_keys]
    for name, read in (("users", _user), ("roots", _root), ("federatedUsers", _federated_user)):
        keys += [key for entry in top.entries(name) for key in read(entry)]
    disabled = Members(top.take("disabledRegions", dict, {}), "disabledRegions")
    directory = Directory.of(
        partition=top.take("partition", str, "aws"),
        keys=keys,
        roles=[role for role, _ in roles],
        web_identities=[_web_identity(entry) for entry in top.entries("webIdentities")],
        disabled_regions={account: disabled.texts(account) for account in disabled.names()},
        instances=[_instance(entry) for entry in top.entries("instances")],
        session_token_length=top.take("sessionTokenLength", int, USUAL_SESSION_TOKEN_LENGTH),
    )
    top.finish()
    return directory


def _instance(entry: Members) -> Instance:
    instance = Instance(
        instance_id=entry.take("id", str),
        account=entry.take("account", str),
        private_dns_name=entry.take("privateDnsName", str, ""),
        state=entry.take("state", str, "running"),
    )
    entry.finish()
    return instance


def _user(entry: Members) -> list[AccessKey]:
    owner = User(
        account=entry.take("account", str),
        name=entry.take("name", str),
        path=entry.take("path", str, "/"),
        user_id=entry.optional("userId", str),
    )
    return _keys(entry, owner)


def _root(entry: Members) -> list[AccessKey]:
    return _keys(entry, Root(account=entry.take("account", str)))


def _federated_user(entry: Members) -> list[AccessKey]:
    return _keys(entry, FederatedUser(account=entry.take("account", str), name=entry.take("name", str)))


def _role(entry: Members) -> tuple[Role, list[AccessKey]]:
    mfa = Members(entry.take("mfa", dict, {}), f"{entry.place}.mfa")
    role = Role(
        account=entry.take("account", str),
        name=entry.take("name", str),
        path=entry.take("path", str, "/"),
        role_id=entry.optional("roleId", str),
        trusts=frozenset(entry.texts("trusts")),
        external_id=entry.optional("externalId", str),
        mfa_serial=mfa.optional("serial", str),
        mfa_code=mfa.optional("code", str),
        max_session_seconds=entry.take("maxSessionSeconds", int, DEFAULT_SESSION_SECONDS),
    )
    mfa.finish()
    sessions = [
        _keys(session, RoleSession(role=role, session_name=session.take("name", str)))
        for session in entry.entries("sessions")
    ]
    entry.finish()
    return role, [key for keys in sessions for key in keys]


def _keys(entry: Members, owner: Owner) -> list[AccessKey]:
    keys = [_key(key, owner) for key in entry.entries("accessKeys")]
    entry.finish()
    return keys


def _key(entry: Members, owner: Owner) -> AccessKey:
    key = AccessKey(
        key_id=entry.take("id", str),
        secret=entry.take("secret", str),
        owner=owner,
        session_token=entry.optional("sessionToken", str),
        expires=entry.optional("expires", int),
    )
    entry.finish()
    return key


def _web_identity(entry: Members) -> WebIdentity:
    identity = WebIdentity(
        token=entry.take("token", str),
        subject=entry.take("subject", str),
        provider=entry.take("provider", str, "accounts.example.com"),
        audience=entry.take("audience", str, "sts.amazonaws.com"),
        roles=frozenset(entry.texts("roles")),
    )
    entry.finish()
    return identity
