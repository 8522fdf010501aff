"""Mapping rules, and the immutable table that maps a caller's identity to a Kubernetes user.

The first match decides, in this order: roles and users by canonical ARN and permission sets by name, then roles with
wildcards in the file's order, then whole accounts.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from authd.core.arn import LiteralArn, PrincipalArn
from authd.core.caller_identity import CallerIdentity
from authd.core.cooperative import finish
from authd.core.errors import DenialReason, Denied
from authd.core.kubernetes_user import KubernetesUser
from authd.core.mapping.nearest import IndexedRule, NearestIndex, describe_closest
from authd.core.mapping.templates import INSTANCE_NAME, UNRESOLVED, MissingValue, Template

_NO_VALUES: Mapping[str, str] = MappingProxyType({})
#: Kubernetes reserves names of users and groups that begin so. A rule may give one by writing the prefix itself.
_SYSTEM = "system:"

#: Rules that `building_table` adds between two turns of the reactor. Compiling a wildcard takes 0.1 ms, so this bounds
#: a stall to 5 ms.
RULES_PER_STEP = 50

#: The end of a permission set's key. No role's name has these characters, so no role without hex digits has this key.
_HEX_DIGITS = "<16 hex digits>"
#: The key of a permission set's role. AWS chooses the hex digits.
_PERMISSION_SET_ROLE = re.compile(r"(arn:[a-z0-9-]+:iam::[0-9]{12}:role/awsreservedsso_.+_)[0-9a-f]{16}")


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
        """The canonical ARN of the set's roles in lower case, with `_HEX_DIGITS` in place of their hex digits."""
        return f"arn:{self.partition}:iam::{self.account}:role/AWSReservedSSO_{self.name}_{_HEX_DIGITS}".lower()

    @property
    def shown(self) -> str:
        """The name for messages."""
        return f"the permission set {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolePattern:
    """Roles of one account by a name with `*` (any characters) and `?` (any one). The path is ignored."""

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


class AccountRule(NamedTuple):
    """A whole account, mapped by `mapAccounts`. `where` is its place, `file:line:column`."""

    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingTable:
    """The mappings in force, immutable. A reload builds another table."""

    exact: Mapping[str, Rule]
    patterns: Sequence[tuple[re.Pattern[str], Rule]] = ()
    accounts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    reserved_prefixes: tuple[str, ...] = ()
    index: NearestIndex = field(default_factory=NearestIndex, repr=False, compare=False)

    def lookup(self, identity: CallerIdentity) -> KubernetesUser:
        """Map an identity.

        Raises `Denied`: `identity_not_mapped` (with the nearest rule and the difference), `username_not_rendered` or
        `username_reserved`.
        """
        rule = self.find(identity)
        if rule is None:
            raise Denied(DenialReason.IDENTITY_NOT_MAPPED, f"no mapping matches: {self.nearest(identity)}")
        return self.render(rule, identity)

    def explain(self, identity: CallerIdentity) -> KubernetesUser:
        """Map an identity without a call to EC2. `{{EC2PrivateDNSName}}` stays in the names. Raises as `lookup`."""
        rule = self.find(identity)
        return self.lookup(identity) if rule is None else self.render(rule, identity, UNRESOLVED)

    def find(self, identity: CallerIdentity) -> Rule | AccountRule | None:
        """Return the rule that decides about an identity, or None. Cheap, and independent of templates."""
        rule = self.exact.get(identity.key) or self._by_name(identity.key)
        if rule is not None:
            return rule
        where = self.accounts.get(identity.arn.account)
        return None if where is None else AccountRule(where)

    def render(
        self, rule: Rule | AccountRule, identity: CallerIdentity, values: Mapping[str, str] = _NO_VALUES
    ) -> KubernetesUser:
        """Return the user and groups that a rule of this table gives an identity.

        `values` are for placeholders that need more than the identity.

        Raises `Denied`: `username_not_rendered` or `username_reserved`.
        """
        if isinstance(rule, AccountRule):
            return self._allowed(KubernetesUser(username=identity.canonical_arn, groups=(), rule=rule.where))
        return self._allowed(_render(rule, identity, values))

    def __len__(self) -> int:
        return len(self.exact) + len(self.patterns) + len(self.accounts)

    def nearest(self, identity: CallerIdentity) -> str:
        """Describe the nearest rule to an identity that no rule matches, and the difference, in some microseconds."""
        if not len(self):
            return "there are no mappings"
        return self.index.describe(identity)

    def closest(self, identity: CallerIdentity) -> str:
        """Describe the nearest rule like `nearest`, but compare names too. For tools: it takes up to 0.1 ms a name."""
        return describe_closest(self.index, identity) if len(self) else self.nearest(identity)

    def _by_name(self, key: str) -> Rule | None:
        permission_set = _PERMISSION_SET_ROLE.fullmatch(key)
        if permission_set and permission_set[1] + _HEX_DIGITS in self.exact:
            return self.exact[permission_set[1] + _HEX_DIGITS]
        return next((rule for pattern, rule in self.patterns if pattern.fullmatch(key)), None)

    def _allowed(self, user: KubernetesUser) -> KubernetesUser:
        for prefix in self.reserved_prefixes:
            if user.username.startswith(prefix):
                raise Denied(
                    DenialReason.USERNAME_RESERVED,
                    f"the mapping at {user.rule} gives a user name with the reserved prefix {prefix!r}",
                )
        return user


def _render(rule: Rule, identity: CallerIdentity, more: Mapping[str, str]) -> KubernetesUser:
    values = {**identity.template_values, **more} if more else identity.template_values
    try:
        # A rule without a user name gives the canonical ARN.
        username = identity.canonical_arn if rule.username is None else _filled(rule.username, values, rule)
        groups = tuple(_filled(group, values, rule) for group in rule.groups)
    except MissingValue as error:
        raise Denied(DenialReason.USERNAME_NOT_RENDERED, f"the mapping at {rule.where}: {error}") from None
    return KubernetesUser(username=username, groups=groups, rule=rule.where)


def _filled(template: Template, values: Mapping[str, str], rule: Rule) -> str:
    """Fill a template in. Values that callers choose must not make a system name of it."""
    name = template.render(values)
    if name.startswith(_SYSTEM) and not template.text.startswith(_SYSTEM):
        message = f"the mapping at {rule.where} gives a name with the prefix {_SYSTEM!r} from the caller's values"
        raise Denied(DenialReason.USERNAME_RESERVED, message)
    return name


def build_table(
    rules: Sequence[Rule], accounts: Mapping[str, str], reserved_prefixes: tuple[str, ...] = ()
) -> MappingTable:
    """Build the table at once. See `building_table`."""
    return finish(building_table(rules, accounts, reserved_prefixes))


def building_table(
    rules: Sequence[Rule], accounts: Mapping[str, str], reserved_prefixes: tuple[str, ...] = ()
) -> Generator[None, None, MappingTable]:
    """Build the table in steps. If two rules have the same principal, the later one wins.

    `accounts` has the place of the entry for each account number.
    """
    exact: dict[str, Rule] = {}
    patterns: list[tuple[re.Pattern[str], Rule]] = []
    index = NearestIndex()
    for count, rule in enumerate(rules, start=1):
        key = rule.subject.key
        if isinstance(rule.subject, RolePattern):
            patterns.append((_pattern(rule.subject), rule))
        else:
            exact[key] = rule
        index.add(IndexedRule(rule.where, key, rule.subject.shown))
        if count % RULES_PER_STEP == 0:
            yield
    return MappingTable(
        exact=MappingProxyType(exact),
        patterns=tuple(patterns),
        accounts=MappingProxyType(dict(accounts)),
        reserved_prefixes=reserved_prefixes,
        index=index,
    )


def _pattern(subject: RolePattern) -> re.Pattern[str]:
    # Text between two asterisks matches at its first place, without backtracking. So the cost of many asterisks is
    # linear in the length of a role's name, which the caller may have chosen.
    first, *rest = (re.escape(part).replace(r"\?", "[^/]") for part in subject.key.split("*"))
    anywhere = "".join(f"(?>[^/]*?{part})" for part in rest[:-1])
    return re.compile(first + anywhere + "".join(f"[^/]*{part}" for part in rest[-1:]))
