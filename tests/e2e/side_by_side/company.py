"""The callers (users, roles, roots and federated users) as the emulator's directory and as keys that sign tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.rig.minting import Key

ACCOUNT = "111122223333"
PARTNER = "444455556666"
SCRUBBED = "777788889999"
#: In YAML 1.1 it would be an octal number if not quoted.
LEADING_ZERO = "012345670123"
#: An account that no compared settings file contains.
CANARY_ACCOUNT = "999900001111"
CANARY = f"{CANARY_ACCOUNT}:user/canary"

_USERS = (
    (CANARY_ACCOUNT, "canary", "/"),
    (ACCOUNT, "alice", "/team/"),
    (ACCOUNT, "bob", "/"),
    (ACCOUNT, "CAROL", "/"),
    (ACCOUNT, "dave+x=1,y.z@example_com-2", "/"),
    (ACCOUNT, "Erin", "/Team/Sub.Team/"),
    (PARTNER, "bob", "/"),
    (SCRUBBED, "secret", "/"),
    (LEADING_ZERO, "zoe", "/"),
)
_INSTANCE = "i-0123456789abcdef0"
_OPERATORS_PATH = "/aws-reserved/sso.amazonaws.com/eu-west-1/"
_SESSIONS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (ACCOUNT, "Admin", "/", ("alice", "alice@example.com", _INSTANCE, "a=1,b.c_d-e", "a@b@c")),
    (ACCOUNT, "Developer", "/team/", ("dev", "dev@example.com")),
    (ACCOUNT, "Node", "/", (_INSTANCE,)),
    (ACCOUNT, "lower", "/", ("session",)),
    (ACCOUNT, "UPPER", "/", ("session",)),
    (ACCOUNT, "AWSReservedSSO_Operators_0123456789abcdef", _OPERATORS_PATH, ("carol@example.com",)),
    (ACCOUNT, "AWSReservedSSO_Operators-Extra_fedcba9876543210", _OPERATORS_PATH, ("carol@example.com",)),
    (PARTNER, "Admin", "/", ("alice",)),
    (PARTNER, "Auditor", "/", ("audit-2026.11",)),
    (SCRUBBED, "Admin", "/", ("alice",)),
    (LEADING_ZERO, "Admin", "/", ("alice",)),
)
_ROOTS = (ACCOUNT, PARTNER, SCRUBBED)
_FEDERATED = ((ACCOUNT, "frank"), (PARTNER, "frank"), (SCRUBBED, "frank"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An identity of the emulator, with its name in the tests, such as `111122223333:role/Admin/alice`."""

    name: str
    key: Key


class _Keys:
    """Creates access keys, and records their callers."""

    def __init__(self) -> None:
        self.callers: list[Caller] = []

    def of(self, account: str, name: str, *, temporary: bool) -> list[dict[str, str]]:
        number = len(self.callers)
        key = {"id": f"{'ASIA' if temporary else 'AKIA'}SIDEBYSIDE{number:06}", "secret": f"secret/of+{number:030}"}
        if temporary:
            key["sessionToken"] = f"session+token/of/{number}=="
        self.callers.append(Caller(name=f"{account}:{name}", key=tuple(key.values())))
        return [key]


def write_directory(file: Path, partition: str = "aws") -> tuple[Caller, ...]:
    """Write the emulator's directory, and return every caller in it."""
    keys = _Keys()
    content: Mapping[str, Any] = {
        "partition": partition,
        "users": [
            {"account": a, "name": n, "path": p, "accessKeys": keys.of(a, f"user{p}{n}", temporary=False)}
            for a, n, p in _USERS
        ],
        "roots": [{"account": a, "accessKeys": keys.of(a, "root", temporary=False)} for a in _ROOTS],
        "federatedUsers": [
            {"account": a, "name": n, "accessKeys": keys.of(a, f"federated-user/{n}", temporary=True)}
            for a, n in _FEDERATED
        ],
        "roles": list(_roles(keys)),
    }
    file.write_text(json.dumps(content))
    return tuple(keys.callers)


def _roles(keys: _Keys) -> Iterator[dict[str, Any]]:
    for account, name, path, sessions in _SESSIONS:
        listed = [
            {"name": session, "accessKeys": keys.of(account, f"role/{name}/{session}", temporary=True)}
            for session in sessions
        ]
        yield {"account": account, "name": name, "path": path, "sessions": listed}
