"""Users, roots, federated users and roles, and the result of GetCallerIdentity for each."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from authd.emulator.directory.errors import EmulatorError

_ACCOUNT = re.compile(r"[0-9]{12}")
_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")
_PATH = re.compile(r"/(?:[!-.0-~]+/)*")
_UNIQUE_ID_LENGTH: Final = 17
DEFAULT_SESSION_SECONDS: Final = 3600
#: The largest MaxSessionDuration of a role: IAM API Reference, CreateRole.
LONGEST_SESSION_SECONDS: Final = 43_200


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller: the result of GetCallerIdentity, and its names in trust policies."""

    account: str
    arn: str
    user_id: str
    known_as: frozenset[str]
    is_root: bool = False
    is_role_session: bool = False


@lru_cache(maxsize=4096)
def unique_id(prefix: str, arn: str) -> str:
    """Derive the stable unique ID (`AIDA…`, `AROA…`) of an ARN: prefix and 17 base32 characters."""
    digest = base64.b32encode(hashlib.sha256(arn.encode()).digest()).decode("ascii")
    return prefix + digest[:_UNIQUE_ID_LENGTH]


def account_root(partition: str, account: str) -> str:
    """Return the ARN of an account, which is also that of its root user."""
    return f"arn:{partition}:iam::{account}:root"


def require(pattern: re.Pattern[str], value: str, kind: str) -> None:
    """Raise `EmulatorError` unless the whole of `value` matches."""
    if not pattern.fullmatch(value):
        raise EmulatorError(f"{kind} {value!r} does not match {pattern.pattern}")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An IAM user. `user_id` is derived from the ARN if none is given."""

    account: str
    name: str
    path: str = "/"
    user_id: str | None = None

    def __post_init__(self) -> None:
        """Raise `EmulatorError` for an account, name or path that IAM would not accept."""
        require(_ACCOUNT, self.account, "account")
        require(_NAME, self.name, "user name")
        require(_PATH, self.path, "path")

    def principal(self, partition: str) -> Principal:
        """Return the caller."""
        arn = f"arn:{partition}:iam::{self.account}:user{self.path}{self.name}"
        return Principal(
            account=self.account,
            arn=arn,
            user_id=self.user_id or unique_id("AIDA", arn),
            known_as=frozenset({arn, account_root(partition, self.account)}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The root user of an account."""

    account: str

    def __post_init__(self) -> None:
        """Raise `EmulatorError` unless the account has twelve digits."""
        require(_ACCOUNT, self.account, "account")

    def principal(self, partition: str) -> Principal:
        """Return the caller."""
        arn = account_root(partition, self.account)
        return Principal(account=self.account, arn=arn, user_id=self.account, known_as=frozenset({arn}), is_root=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class FederatedUser:
    """A holder of credentials from GetFederationToken."""

    account: str
    name: str

    def __post_init__(self) -> None:
        """Raise `EmulatorError` for an account or name that IAM would not accept."""
        require(_ACCOUNT, self.account, "account")
        require(_NAME, self.name, "federated user name")

    def principal(self, partition: str) -> Principal:
        """Return the caller."""
        arn = f"arn:{partition}:sts::{self.account}:federated-user/{self.name}"
        return Principal(
            account=self.account,
            arn=arn,
            user_id=f"{self.account}:{self.name}",
            known_as=frozenset({arn, account_root(partition, self.account)}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """An IAM role with the conditions for assuming it.

    `trusts` holds the ARNs of users, roles, assumed-role sessions or account roots, or `*`.
    `mfa_serial` and `mfa_code` are required together. `max_session_seconds` is 3600 to 43200.
    """

    account: str
    name: str
    path: str = "/"
    role_id: str | None = None
    trusts: frozenset[str] = frozenset()
    external_id: str | None = None
    mfa_serial: str | None = None
    mfa_code: str | None = None
    max_session_seconds: int = DEFAULT_SESSION_SECONDS

    def __post_init__(self) -> None:
        """Raise `EmulatorError` if IAM would refuse the role, or if only one of `mfa_serial` and `mfa_code` is set."""
        require(_ACCOUNT, self.account, "account")
        require(_NAME, self.name, "role name")
        require(_PATH, self.path, "path")
        if (self.mfa_serial is None) != (self.mfa_code is None):
            raise EmulatorError(f"role {self.name!r}: MFA needs both a serial and a code")
        if not DEFAULT_SESSION_SECONDS <= self.max_session_seconds <= LONGEST_SESSION_SECONDS:
            raise EmulatorError(
                f"role {self.name!r}: the longest session must be "
                f"{DEFAULT_SESSION_SECONDS} to {LONGEST_SESSION_SECONDS} seconds"
            )

    def arn(self, partition: str) -> str:
        """Return the role's ARN with its path."""
        return f"arn:{partition}:iam::{self.account}:role{self.path}{self.name}"

    def session(self, partition: str, session_name: str) -> Principal:
        """Return the caller that has assumed the role with this session name."""
        arn = f"arn:{partition}:sts::{self.account}:assumed-role/{self.name}/{session_name}"
        role_arn = self.arn(partition)
        role_id = self.role_id or unique_id("AROA", role_arn)
        return Principal(
            account=self.account,
            arn=arn,
            user_id=f"{role_id}:{session_name}",
            known_as=frozenset({arn, role_arn, account_root(partition, self.account)}),
            is_role_session=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSession:
    """A role session with credentials from the directory."""

    role: Role
    session_name: str

    def principal(self, partition: str) -> Principal:
        """Return the caller."""
        return self.role.session(partition, self.session_name)
