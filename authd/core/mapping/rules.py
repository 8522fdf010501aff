"""Mapping rules: a principal, its user name and groups, and the time in which the rule is in force."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from authd.core.arn import LiteralArn, PrincipalArn
from authd.core.mapping.templates import INSTANCE_NAME, Template
from authd.core.mapping.validity import ALWAYS, Validity

#: The end of a permission set's key. A role's name can't contain these characters, so no role has such a key.
HEX_DIGITS = "<16 hex digits>"


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionSet:
    """An IAM Identity Center permission set in one account, whose roles end in 16 hex digits.

    Source: AWS, "Referencing permission sets in resource policies, Amazon EKS, and AWS KMS".
    """

    partition: str
    account: str
    name: str

    @property
    def key(self) -> str:
        """The canonical ARN of the set's roles in lower case, with `HEX_DIGITS` in place of their hex digits."""
        return f"arn:{self.partition}:iam::{self.account}:role/AWSReservedSSO_{self.name}_{HEX_DIGITS}".lower()

    @property
    def shown(self) -> str:
        """The name for messages."""
        return f"the permission set {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolePattern:
    """Roles of one account whose names match a pattern: `*` is any characters, `?` any one. Paths are ignored."""

    partition: str
    account: str
    name: str

    @property
    def key(self) -> str:
        """The pattern as an ARN in lower case."""
        return f"arn:{self.partition}:iam::{self.account}:role/{self.name}".lower()

    @property
    def shown(self) -> str:
        """The pattern for messages, without its account."""
        return f"role/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One entry of `mapRoles` or `mapUsers`. `where` is its place, `file:line:column`.

    `subject` is a principal's ARN (a role's path is ignored), a permission set, or a pattern for names of roles with
    the wildcards `*` and `?` of IAM policies.
    """

    subject: PrincipalArn | PermissionSet | RolePattern | LiteralArn
    username: Template | None
    groups: tuple[Template, ...]
    where: str

    @property
    def needs_instance_name(self) -> bool:
        """Whether the name of the caller's EC2 instance is part of the user or group names."""
        templates = self.groups if self.username is None else (self.username, *self.groups)
        return any(INSTANCE_NAME in template.pieces[1::2] for template in templates)

    @property
    def validity(self) -> Validity:
        """The time in which the rule is in force."""
        return ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedRule(Rule):
    """A rule with `validFrom` or `validUntil`.

    `earlier` is the rule for the same principal that applies while this one is not in force. It comes before this one
    in a file, or is the younger of two custom resources.
    """

    time: Validity
    earlier: Rule | None = field(default=None, repr=False, compare=False)

    @property
    def validity(self) -> Validity:
        """The time in which the rule is in force."""
        return self.time


class AccountRule(NamedTuple):
    """A whole account, mapped by `mapAccounts`. `where` is its place, `file:line:column`."""

    where: str

    @property
    def validity(self) -> Validity:
        """The time in which the rule is in force."""
        return ALWAYS


def chained(rule: Rule, earlier: Rule | None) -> Rule:
    """Return `rule` linked to an earlier one for the same principal, or alone if it is always in force."""
    return replace(rule, earlier=earlier) if isinstance(rule, TimedRule) else rule


def chain(rule: Rule | None) -> Iterator[Rule]:
    """Yield a rule and the earlier ones that it is linked to."""
    while rule is not None:
        yield rule
        rule = rule.earlier if isinstance(rule, TimedRule) else None
