"""The accounts, access keys, roles and web identities that the emulated STS knows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from authd.emulator.directory.errors import EmulatorError
from authd.emulator.directory.principals import FederatedUser, Role, RoleSession, Root, User, require

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from authd.emulator.directory.instances import Instance

_KEY_ID = re.compile(r"A[KS]IA[A-Z0-9]{12,124}")
_PARTITION = re.compile(r"aws(?:-[a-z]+)*")
#: Leaves room for the rest of the request within the 16 KiB that the server accepts as headers.
LONGEST_SESSION_TOKEN: Final = 8192
_Entry = TypeVar("_Entry")
#: Typical for a role session without tags or policy. Chained and tagged sessions come near 3 KiB.
USUAL_SESSION_TOKEN_LENGTH: Final = 760


Owner: TypeAlias = User | Root | FederatedUser | RoleSession


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A key pair and its owner. Temporary ones have a `session_token` and `expires`, in seconds since 1970."""

    key_id: str
    secret: str = field(repr=False)
    owner: Owner
    session_token: str | None = field(default=None, repr=False)
    expires: float | None = None

    def __post_init__(self) -> None:
        """Raise `EmulatorError` for a key ID that AWS would not issue."""
        require(_KEY_ID, self.key_id, "access key id")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebIdentity:
    """An OpenID Connect token that AssumeRoleWithWebIdentity accepts, and the ARNs of the roles that it may assume."""

    token: str = field(repr=False)
    subject: str
    provider: str
    audience: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """The emulated STS's accounts and keys. Immutable: assign a new directory to change it."""

    partition: str = "aws"
    keys: Mapping[str, AccessKey] = field(default_factory=lambda: MappingProxyType({}))
    roles: Mapping[str, Role] = field(default_factory=lambda: MappingProxyType({}))
    web_identities: Mapping[str, WebIdentity] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    disabled_regions: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    session_token_length: int = USUAL_SESSION_TOKEN_LENGTH
    instances: Mapping[str, Instance] = field(default_factory=lambda: MappingProxyType({}))
    may_not_describe: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Raise `EmulatorError` for an invalid partition, or a session token too long for a header."""
        require(_PARTITION, self.partition, "partition")
        if not 0 <= self.session_token_length <= LONGEST_SESSION_TOKEN:
            raise EmulatorError(f"session tokens may have up to {LONGEST_SESSION_TOKEN} characters")

    @classmethod
    def of(
        cls,
        *,
        keys: Iterable[AccessKey] = (),
        roles: Iterable[Role] = (),
        web_identities: Iterable[WebIdentity] = (),
        disabled_regions: Mapping[str, Iterable[str]] | None = None,
        partition: str = "aws",
        session_token_length: int = USUAL_SESSION_TOKEN_LENGTH,
        instances: Iterable[Instance] = (),
        may_not_describe: Iterable[str] = (),
    ) -> Directory:
        """Build a directory from its entries. Raises `EmulatorError` if a key, role or token occurs twice."""
        return cls(
            partition=partition,
            session_token_length=session_token_length,
            instances=_index("instance", [(entry.instance_id, entry) for entry in instances]),
            may_not_describe=frozenset(may_not_describe),
            keys=_index("access key", [(key.key_id, key) for key in keys]),
            roles=_index("role", [(role.arn(partition), role) for role in roles]),
            web_identities=_index("web identity token", [(entry.token, entry) for entry in web_identities]),
            disabled_regions=MappingProxyType(
                {account: frozenset(regions) for account, regions in (disabled_regions or {}).items()}
            ),
        )


def _index(kind: str, entries: list[tuple[str, _Entry]]) -> Mapping[str, _Entry]:
    index = dict(entries)
    if len(index) != len(entries):
        raise EmulatorError(f"the directory names the same {kind} twice")
    return MappingProxyType(index)
