"""Mapping rules, and the immutable table that maps a caller's identity to a Kubernetes user.

The first match decides, in this order: roles and users by canonical ARN and permission sets by name, then roles with
wildcards in the file's order, then whole accounts.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType

from authd.core.caller_identity import CallerIdentity
from authd.core.cooperative import finish
from authd.core.errors import DenialReason, Denied
from authd.core.kubernetes_user import KubernetesUser
from authd.core.mapping.nearest import IndexedRule, NearestIndex, describe_closest
from authd.core.mapping.reserved import NO_PREFIXES, ReservedPrefixes
from authd.core.mapping.rules import (
    HEX_DIGITS,
    AccountRule,
    PermissionSet,
    RolePattern,
    Rule,
    TimedRule,
    chain,
    chained,
)
from authd.core.mapping.templates import UNRESOLVED, MissingValue, Template
from authd.core.mapping.validity import NO_TIME, Timetable, timetable_of

__all__ = ["AccountRule", "MappingTable", "PermissionSet", "RolePattern", "Rule", "build_table", "building_table"]

_NO_VALUES: Mapping[str, str] = MappingProxyType({})
#: Kubernetes reserves this prefix of user names and groups. A rule may give such a name if its own text has the prefix.
_SYSTEM = "system:"

#: Maximum number of rules in a refusal that match but are not in force.
_MAX_DESCRIBED = 3
#: Rules that `building_table` adds between two turns of the reactor. Compiling a pattern takes 0.1 ms, so this bounds
#: a stall to 5 ms.
RULES_PER_STEP = 50

#: The key of a permission set's role. AWS chooses the hex digits.
_PERMISSION_SET_ROLE = re.compile(r"(arn:[a-z0-9-]+:iam::[0-9]{12}:role/awsreservedsso_.+_)[0-9a-f]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingTable:
    """The mappings in force, immutable. A reload builds another table.

    `timetable` is None if no rule is timed, so that look-ups skip the check of times. `now` is the Unix time of the
    review. Without it, a table with timed rules matches nothing.
    """

    exact: Mapping[str, Rule]
    patterns: Sequence[tuple[re.Pattern[str], Rule]] = ()
    accounts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    reserved: ReservedPrefixes = NO_PREFIXES
    timetable: Timetable | None = None
    index: NearestIndex = field(default_factory=NearestIndex, repr=False, compare=False)

    def lookup(self, identity: CallerIdentity, now: float = NO_TIME) -> KubernetesUser:
        """Map an identity.

        Raises `Denied`: `identity_not_mapped` (with the nearest rule and the difference), `username_not_rendered` or
        `username_reserved`.
        """
        rule = self.find(identity, now)
        if rule is None:
            raise Denied(DenialReason.IDENTITY_NOT_MAPPED, f"no mapping matches: {self.nearest(identity, now)}")
        return self.render(rule, identity)

    def explain(self, identity: CallerIdentity, now: float = NO_TIME) -> KubernetesUser:
        """Map an identity without a call to EC2. `{{EC2PrivateDNSName}}` stays in the names. Raises as `lookup`."""
        rule = self.find(identity, now)
        return self.lookup(identity, now) if rule is None else self.render(rule, identity, UNRESOLVED)

    def find(self, identity: CallerIdentity, now: float = NO_TIME) -> Rule | AccountRule | None:
        """Return the rule for an identity, or None. Cheap, because it renders no templates."""
        if self.timetable is not None:
            return next((rule for rule in self.candidates(identity) if rule.validity.includes(now)), None)
        rule = self.exact.get(identity.key) or self._by_name(identity.key)
        if rule is not None:
            return rule
        where = self.accounts.get(identity.arn.account)
        return None if where is None else AccountRule(where)

    def candidates(self, identity: CallerIdentity) -> Iterator[Rule | AccountRule]:
        """Yield the rules for an identity in their order, including those not in force."""
        yield from chain(self.exact.get(identity.key))
        permission_set = _PERMISSION_SET_ROLE.fullmatch(identity.key)
        if permission_set:
            yield from chain(self.exact.get(permission_set[1] + HEX_DIGITS))
        yield from (rule for pattern, rule in self.patterns if pattern.fullmatch(identity.key))
        where = self.accounts.get(identity.arn.account)
        if where is not None:
            yield AccountRule(where)

    def rules_of_another_time(self, identity: CallerIdentity, now: float) -> Iterator[Rule]:
        """Yield the rules for an identity that are not in force at `now`."""
        if self.timetable is not None:
            timed = (rule for rule in self.candidates(identity) if isinstance(rule, TimedRule))
            yield from (rule for rule in timed if not rule.validity.includes(now))

    def rules(self) -> Iterator[Rule]:
        """Yield all rules, those of one principal in the order that `building_table` expects."""
        for rule in self.exact.values():
            yield from reversed(list(chain(rule)))
        yield from (rule for _, rule in self.patterns)

    def render(
        self, rule: Rule | AccountRule, identity: CallerIdentity, values: Mapping[str, str] = _NO_VALUES
    ) -> KubernetesUser:
        """Return the user and groups that a rule of this table gives an identity.

        `values` are for placeholders that need more than the identity.

        Raises `Denied`: `username_not_rendered` or `username_reserved`.
        """
        if isinstance(rule, AccountRule):
            return self.reserved.checked(KubernetesUser(username=identity.canonical_arn, groups=(), rule=rule.where))
        return self.reserved.checked(_render(rule, identity, values))

    def __len__(self) -> int:
        fallbacks = 0 if self.timetable is None else self.timetable.fallbacks
        return len(self.exact) + len(self.patterns) + len(self.accounts) + fallbacks

    def in_force(self, now: float) -> int:
        """Return the number of rules that are in force at `now`."""
        return len(self) if self.timetable is None else len(self) - self.timetable.idle(now)

    def nearest(self, identity: CallerIdentity, now: float = NO_TIME) -> str:
        """Describe the rule nearest to an identity that no rule matches, and the difference, within microseconds."""
        if not len(self):
            return "there are no mappings"
        return self.other_time(identity, now) or self.index.describe(identity)

    def closest(self, identity: CallerIdentity, now: float = NO_TIME) -> str:
        """Describe the nearest rule like `nearest`, but compare all names, at up to 0.1 ms each. For commands."""
        if not len(self):
            return self.nearest(identity)
        return self.other_time(identity, now) or describe_closest(self.index, identity)

    def other_time(self, identity: CallerIdentity, now: float) -> str:
        """Describe the first rules for an identity that are not in force at `now`. Empty if there are none."""
        rules = islice(self.rules_of_another_time(identity, now), _MAX_DESCRIBED)
        return "; ".join(f"the rule at {rule.where} {rule.validity.fault_at(now)}" for rule in rules)

    def _by_name(self, key: str) -> Rule | None:
        permission_set = _PERMISSION_SET_ROLE.fullmatch(key)
        if permission_set and permission_set[1] + HEX_DIGITS in self.exact:
            return self.exact[permission_set[1] + HEX_DIGITS]
        return next((rule for pattern, rule in self.patterns if pattern.fullmatch(key)), None)


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
    """Fill in a template. Values chosen by callers must not add the prefix `system:` nor select the name after it."""
    name = template.render(values)
    if not name.startswith(_SYSTEM):
        return name
    if not template.text.startswith(_SYSTEM):
        message = f"the mapping at {rule.where} gives a name with the prefix {_SYSTEM!r} from the caller's values"
        raise Denied(DenialReason.USERNAME_RESERVED, message)
    if template.lets_choose_system_name:
        message = f"the mapping at {rule.where} lets the caller choose a name that begins with {_SYSTEM!r}"
        raise Denied(DenialReason.USERNAME_RESERVED, message)
    return name


def build_table(
    rules: Sequence[Rule], accounts: Mapping[str, str], reserved: ReservedPrefixes = NO_PREFIXES
) -> MappingTable:
    """Build the table at once. See `building_table`."""
    return finish(building_table(rules, accounts, reserved))


def building_table(
    rules: Sequence[Rule], accounts: Mapping[str, str], reserved: ReservedPrefixes = NO_PREFIXES
) -> Generator[None, None, MappingTable]:
    """Build the table in steps. If two rules have the same principal, the later one that is in force wins.

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
            exact[key] = chained(rule, exact[key]) if key in exact else rule
        index.add(IndexedRule(rule.where, key, rule.subject.shown))
        if count % RULES_PER_STEP == 0:
            yield
    timed = any(isinstance(rule, TimedRule) for rule in rules)
    timetable = (yield from _timetable(exact, patterns)) if timed else None
    return MappingTable(
        exact=MappingProxyType(exact),
        patterns=tuple(patterns),
        accounts=MappingProxyType(dict(accounts)),
        reserved=reserved,
        timetable=timetable,
        index=index,
    )


def _timetable(
    exact: Mapping[str, Rule], patterns: Sequence[tuple[re.Pattern[str], Rule]]
) -> Generator[None, None, Timetable]:
    """Return the times of all rules, and of the earlier ones that they are linked to, in steps."""
    validities = [rule.validity for _, rule in patterns if isinstance(rule, TimedRule)]
    fallbacks = 0
    for count, head in enumerate(exact.values(), start=1):
        rules = list(chain(head))
        fallbacks += len(rules) - 1
        validities += [rule.validity for rule in rules if isinstance(rule, TimedRule)]
        if count % RULES_PER_STEP == 0:
            yield
    return timetable_of(validities, fallbacks)


def _pattern(subject: RolePattern) -> re.Pattern[str]:
    # Text between two asterisks matches at its first occurrence, without backtracking. So the cost of each asterisk is
    # linear in the length of the role's name, which the caller may have chosen.
    first, *rest = (re.escape(part).replace(r"\?", "[^/]") for part in subject.key.split("*"))
    anywhere = "".join(f"(?>[^/]*?{part})" for part in rest[:-1])
    return re.compile(first + anywhere + "".join(f"[^/]*{part}" for part in rest[-1:]))
