"""The grammar of IAM and STS principals' ARNs, and their canonical form.

Source: AWS, "IAM identifiers" (names, paths, quotas) and "AssumeRole" (RoleSessionName).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

#: Upper bound of an ARN's length. The longest has a path of 512 characters and a name of 64.
MAX_ARN_LENGTH = 1024

_ARN = re.compile(r"arn:([a-z][a-z0-9-]{1,31}):(iam|sts)::([0-9]{12}):([a-z-]+)(/[!-~]+)?")
_NAME = r"([A-Za-z0-9_+=,.@-]{1,64})"
_PATH = r"(/(?:[!-~]{1,510}/)?)"


class PrincipalKind(StrEnum):
    """Kinds of principals. A role's session counts as the role."""

    ROLE = "role"
    USER = "user"
    ROOT = "root"
    FEDERATED_USER = "federated-user"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalArn:
    """A checked ARN of an IAM role or user, a role's session, a federated user or an account's root.

    `path` is `/` if the ARN has none. `session` is set for a role's sessions and for federated users only.
    """

    partition: str
    account: str
    kind: PrincipalKind
    path: str
    name: str
    session: str = ""

    @property
    def canonical(self) -> str:
        """The ARN that rules are looked up by. A role's has no path, and a session has its role's.

        A session's ARN lacks the role's path, and a role's name is unique in its account, so the path is not needed.
        """
        if self.kind is PrincipalKind.ROOT:
            return f"arn:{self.partition}:iam::{self.account}:root"
        if self.kind is PrincipalKind.FEDERATED_USER:
            return f"arn:{self.partition}:sts::{self.account}:federated-user/{self.name}"
        path = "/" if self.kind is PrincipalKind.ROLE else self.path
        return f"arn:{self.partition}:iam::{self.account}:{self.kind}{path}{self.name}"

    @property
    def key(self) -> str:
        """The canonical ARN in lower case, because ARNs compare case-insensitively. The grammar allows only ASCII."""
        return self.canonical.lower()

    @property
    def shown(self) -> str:
        """The principal for messages, without its account: `role/Name`."""
        return str(self.kind) if self.kind is PrincipalKind.ROOT else f"{self.kind}{self.path}{self.name}"


#: Maps service and resource type to the principal's kind and the resource's grammar (groups: path, name, session).
_RESOURCES = {
    ("iam", "role"): (PrincipalKind.ROLE, re.compile(rf"{_PATH}{_NAME}()")),
    ("iam", "user"): (PrincipalKind.USER, re.compile(rf"{_PATH}{_NAME}()")),
    ("iam", "root"): (PrincipalKind.ROOT, re.compile(r"()()()")),
    ("sts", "assumed-role"): (PrincipalKind.ROLE, re.compile(rf"(/){_NAME}/{_NAME}")),
    ("sts", "federated-user"): (PrincipalKind.FEDERATED_USER, re.compile(rf"(/){_NAME}()")),
}


class InvalidArn(ValueError):
    """The text is not the ARN of a principal that can log in."""


@lru_cache(maxsize=1024)  # the same callers log in repeatedly
def parse_arn(text: str) -> PrincipalArn:
    """Parse a principal's ARN.

    Raises `InvalidArn` with the expected form and an example. The message never contains the text itself.
    """
    match = _ARN.fullmatch(text) if len(text) <= MAX_ARN_LENGTH else None
    kind, grammar = _RESOURCES.get((match[2], match[4]), (None, None)) if match else (None, None)
    resource = grammar.fullmatch(match[5] or "") if match and grammar else None
    if match is None or kind is None or resource is None:
        raise InvalidArn(
            "not the ARN of an IAM role, user or account root, an assumed role or a federated user "
            "(such as arn:aws:iam::111122223333:role/Name)"
        )
    path, name, session = resource.groups()
    if kind is PrincipalKind.FEDERATED_USER:
        session = name
    return PrincipalArn(partition=match[1], account=match[3], kind=kind, path=path or "/", name=name, session=session)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiteralArn:
    """An ARN whose `*` and `?` are ordinary characters. No principal has such an ARN, so a rule for it never matches.

    `text` has the six fields of an ARN.
    """

    text: str

    @property
    def partition(self) -> str:
        """The partition, which may have wildcards."""
        return self.text.split(":")[1]

    @property
    def key(self) -> str:
        """The ARN in lower case."""
        return self.text.lower()

    @property
    def shown(self) -> str:
        """The resource for messages, without its account."""
        return self.text.split(":", 5)[5]
