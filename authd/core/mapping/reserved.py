"""Prefixes of user names and groups that the mappings of a source may not give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from authd.core.errors import DenialReason, Denied
from authd.core.kubernetes_user import KubernetesUser


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservedPrefixes:
    """The reserved prefixes of one source."""

    usernames: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def checked(self, user: KubernetesUser) -> KubernetesUser:
        """Return the user. Raises `Denied`, `username_reserved`, if a name has a reserved prefix."""
        if self.usernames:
            _refuse("user name", (user.username,), self.usernames, user.rule)
        if self.groups:
            _refuse("group", user.groups, self.groups, user.rule)
        return user

    def __str__(self) -> str:
        lists = (("user names", self.usernames), ("groups", self.groups))
        return "; ".join(f"{kind} {', '.join(map(repr, prefixes))}" for kind, prefixes in lists if prefixes)


#: The value for a source without `reservedPrefixConfig`.
NO_PREFIXES = ReservedPrefixes()


def _refuse(kind: str, names: Sequence[str], prefixes: Sequence[str], where: str) -> None:
    for prefix in prefixes:
        if any(name.startswith(prefix) for name in names):
            message = f"the mapping at {where} gives a {kind} with the reserved prefix {prefix!r}"
            raise Denied(DenialReason.USERNAME_RESERVED, message)
