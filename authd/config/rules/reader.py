"""Reads `mapRoles` and `mapUsers` into rules, for the settings file and for all other sources."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from authd.config.document.nodes import Node, Origin
from authd.config.document.problems import Problems
from authd.config.fields.schema import ROLE, USER
from authd.config.fields.section import Section, section_at
from authd.config.fields.values import InvalidValue, name
from authd.config.rules.principals import Principal, WildcardArn, read_role, read_user
from authd.config.rules.same_names import SameNames
from authd.config.rules.validity import read_validity
from authd.config.rules.warnings import (
    ADMINISTRATORS,
    SYSTEM,
    warn_of_group,
    warn_of_literal,
    warn_of_pattern,
    warn_of_reserved,
    warn_of_spellings,
    warn_of_types,
    warn_of_username,
)
from authd.core.arn import LiteralArn, PrincipalArn
from authd.core.mapping.reserved import NO_PREFIXES, ReservedPrefixes
from authd.core.mapping.rules import PermissionSet, RolePattern, Rule, TimedRule, chain, chained
from authd.core.mapping.templates import InvalidTemplate, Template, parse_template
from authd.core.mapping.validity import ALWAYS, Validity

#: Rules per step: under 1 ms.
_RULES_PER_STEP = 100


class _Draft(NamedTuple):
    """A rule as read, before `partition` and `rolePatterns` are known, which may follow later in the file."""

    line: int
    column: int
    origin: Origin | None
    principal: Principal
    username: Template | None
    groups: tuple[Template, ...]
    administrators: Node | None
    validity: Validity


class RuleReader:
    """Reads entries of `mapRoles` and `mapUsers` one by one, as the parser yields them.

    Places of rules begin with the file of `problems`. `path` is the prefix of setting names in messages. Readers of
    the same source may share `templates`, a cache of parsed names: most rules have the same groups.
    """

    def __init__(
        self,
        problems: Problems,
        partitions: Iterable[str],
        *,
        path: str = "server.",
        templates: dict[str, Template] | None = None,
    ) -> None:
        self._problems = problems
        self._partitions = tuple(partitions)
        self._path = path
        self._templates = {} if templates is None else templates
        self._roles: list[_Draft] = []
        self._users: list[_Draft] = []
        #: Whether any rule so far needs the names of EC2 instances.
        self.use_instance_names = False

    def add_role(self, node: Node) -> None:
        """Read an entry of `mapRoles`."""
        rule = section_at(node, f"{self._path}mapRoles", ROLE, self._problems)
        if rule is not None:
            self._read(rule, read_role(rule, self._partitions), self._roles)

    def add_user(self, node: Node) -> None:
        """Read an entry of `mapUsers`."""
        rule = section_at(node, f"{self._path}mapUsers", USER, self._problems)
        if rule is not None:
            self._read(rule, read_user(rule), self._users)

    def choosing(
        self, partition: str, *, patterns: bool, reserved: ReservedPrefixes = NO_PREFIXES
    ) -> Generator[None, None, tuple[Rule, ...]]:
        """Return the valid rules in steps, users before roles. A later rule for a principal replaces an earlier one.

        If the later rule has a time, both stay, and the earlier one is in force at all other times. `patterns` is
        `server.rolePatterns`. Names with a `reserved` prefix are warnings.
        """
        rules: dict[str, Rule] = {}
        lines: dict[str, int] = {}
        same_names = SameNames()
        for count, draft in enumerate(_drained(self._users, self._roles), start=1):
            rule = self._rule(draft, partition, patterns=patterns)
            if rule is not None:
                key = rule.subject.key
                if key in rules:
                    rule = self._preceding(rule, rules.pop(key), draft, lines[key])
                rules[key], lines[key] = rule, draft.line
                same_names.note(draft.username, key, draft)
                warn_of_reserved(self._problems, draft, draft.username, draft.groups, reserved)
            if count % _RULES_PER_STEP == 0:
                yield
        same_names.warn(self._problems)
        return tuple(each for rule in rules.values() for each in _in_order(rule))

    def _preceding(self, rule: Rule, earlier: Rule, draft: _Draft, line: int) -> Rule:
        """Put a rule in front of an earlier one for the same principal. Warns if it replaces that one."""
        if not isinstance(rule, TimedRule):
            message = f"the same role or user is mapped in line {line} already: this rule replaces that one"
            self._problems.warn(draft, message)
        return chained(rule, earlier)

    def _read(self, rule: Section, principal: Principal | None, drafts: list[_Draft]) -> None:
        username = self._username(rule)
        found = list(rule.values("groups", self._template))
        if self._path:
            warn_of_spellings(rule)
        else:  # only a settings file is read with its values' types converted
            warn_of_types(rule)
        for place, group in found:
            if group.text.startswith(SYSTEM):
                warn_of_group(rule, place, group)
        user_id = rule.node_of("userId")
        if user_id is not None:
            rule.problems.warn(user_id, "userId has no effect: only the backend DynamicFile uses it")
        validity = read_validity(rule)
        if principal is None or validity is None:
            return
        administrators = next((place for place, group in found if group.text == ADMINISTRATORS), None)
        line, column, _, origin = rule.node
        groups = tuple([group for _, group in found])
        drafts.append(_Draft(line, column, origin, principal, username, groups, administrators, validity))

    def _username(self, rule: Section) -> Template | None:
        node = rule.node_of("username")
        if node is None:
            rule.problems.warn(
                rule.node,
                "the rule has no username: callers get their canonical ARN as user name, but an empty one in "
                "aws-iam-authenticator: write a username",
            )
            return None
        username = rule.read(node, "username", self._template, None)
        if username is None:
            return None
        if username.text.startswith(SYSTEM):
            warn_of_username(rule, username)
        return username

    def _rule(self, draft: _Draft, partition: str, *, patterns: bool) -> Rule | None:
        subject = self._subject(draft, patterns=patterns)
        if subject is None:
            return None
        if isinstance(subject, PermissionSet) and not subject.partition:
            subject = replace(subject, partition=partition)
        elif subject.partition != partition and not isinstance(subject, LiteralArn):
            never = f"but the daemon's partition is {partition}, so it never matches"
            self._problems.warn(draft, f"the rule is for the partition {subject.partition}, {never}")
        where = self._problems.where(draft)
        if draft.validity is ALWAYS:
            return Rule(subject=subject, username=draft.username, groups=draft.groups, where=where)
        return TimedRule(
            subject=subject, username=draft.username, groups=draft.groups, where=where, time=draft.validity
        )

    def _subject(
        self, draft: _Draft, *, patterns: bool
    ) -> PrincipalArn | PermissionSet | RolePattern | LiteralArn | None:
        arn = draft.principal
        if not isinstance(arn, WildcardArn):
            return arn
        if not patterns:
            warn_of_literal(self._problems, arn.node, arn.setting)
            return arn.literal
        try:
            pattern = arn.pattern()
        except InvalidValue as wrong:
            self._problems.error(arn.node, f"{self._path}{_LISTS[arn.setting]}.{arn.setting} {wrong}")
            return None
        warn_of_pattern(self._problems, arn.node, pattern, draft.administrators)
        return pattern

    def _template(self, text: str) -> Template:
        if "EC2PrivateDNSName" in text:
            self.use_instance_names = True
        template = self._templates.get(text)
        if template is None:
            template = self._templates[text] = _read_template(text)
        return template


_LISTS = {"roleARN": "mapRoles", "userARN": "mapUsers"}


def _read_template(text: str) -> Template:
    try:
        return parse_template(name(text))
    except InvalidTemplate as error:
        raise InvalidValue(f"can't be filled in: {error}") from None


def _in_order(rule: Rule) -> Iterable[Rule]:
    """Return the rules for one principal in the order for `building_table`: for an ARN, the last one has precedence."""
    if not isinstance(rule, TimedRule):
        return (rule,)
    rules = list(chain(rule))
    return rules if isinstance(rule.subject, RolePattern) else reversed(rules)


def _drained(*lists: list[_Draft]) -> Iterator[_Draft]:
    """Remove drafts one by one, because freeing a hundred thousand at once would block the reactor."""
    for drafts in lists:
        drafts.reverse()
        while drafts:
            yield drafts.pop()
