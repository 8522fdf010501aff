"""`mapRoles` and `mapUsers` to the rules in force."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from authd.config.document.nodes import Node
from authd.config.problems import Problems
from authd.config.rules.principals import Principal, read_role, read_user
from authd.config.rules.warnings import SYSTEM, warn_of_group, warn_of_username
from authd.config.schema import ROLE, USER
from authd.config.section import Section, section_at
from authd.config.values import InvalidValue, name
from authd.core.mapping import Rule
from authd.core.templates import InvalidTemplate, Template, parse_template

#: How many rules are looked at between two pauses: under 1 ms.
_RULES_PER_STEP = 100


class _Draft(NamedTuple):
    """A rule of which all is known but the partition in which the daemon works."""

    line: int
    column: int
    option: str
    subject: Principal
    username: Template
    groups: tuple[Template, ...]


class RuleReader:
    """Reads the entries of `mapRoles` and `mapUsers` one by one, as they come out of the file."""

    def __init__(self, problems: Problems, partitions: Iterable[str]) -> None:
        self._problems = problems
        self._partitions = tuple(partitions)
        self._templates: dict[str, Template] = {}
        self._roles: list[_Draft] = []
        self._users: list[_Draft] = []

    def take_role(self, node: Node) -> None:
        """Read an entry of `mapRoles`."""
        rule = section_at(node, "server.mapRoles", ROLE, self._problems)
        if rule is not None:
            self._read(rule, read_role(rule, self._partitions), self._roles)

    def take_user(self, node: Node) -> None:
        """Read an entry of `mapUsers`."""
        rule = section_at(node, "server.mapUsers", USER, self._problems)
        if rule is not None:
            self._read(rule, read_user(rule), self._users)

    def choosing(self, partition: str) -> Generator[None, None, tuple[Rule, ...]]:
        """Return in steps the rules in force, users first: of two for the same subject the later one.

        Where a role's and a user's rule are for the same ARN, the role's is in force.
        """
        rules: dict[str, Rule] = {}
        lines: dict[str, int] = {}
        for count, draft in enumerate(_taken(self._users, self._roles), start=1):
            rule = self._rule(draft, partition)
            key = rule.subject.key
            if key in rules:
                del rules[key]
                earlier = f"in line {lines[key]} already: this rule replaces that one"
                self._problems.warn(draft, f"the same role or user is mapped {earlier}")
            rules[key], lines[key] = rule, draft.line
            if count % _RULES_PER_STEP == 0:
                yield
        return tuple(rules.values())

    def _read(self, rule: Section, subject: Principal | None, drafts: list[_Draft]) -> None:
        username = rule.required("username", self._template, "what Kubernetes is to call the caller")
        found = rule.values("groups", self._template)
        groups = tuple([self._group(rule, node, group, subject) for node, group in found])
        user_id = rule.node_of("userId")
        if user_id is not None:
            rule.problems.warn(user_id, "userId has no effect: the backend DynamicFile alone looks at it")
        if subject is None or username is None:
            return
        if username.text.startswith(SYSTEM):
            warn_of_username(rule, username)
        line, column, _, option = rule.node
        drafts.append(_Draft(line, column, option, subject, username, groups))

    def _group(self, rule: Section, place: Node, group: Template, subject: Principal | None) -> Template:
        if group.text.startswith(SYSTEM):
            warn_of_group(rule, place, group, subject)
        return group

    def _rule(self, draft: _Draft, partition: str) -> Rule:
        subject = draft.subject
        if not subject.partition:
            subject = replace(subject, partition=partition)
        elif subject.partition != partition:
            never = f"but the daemon works in {partition}, so that it never matches"
            self._problems.warn(draft, f"the rule is for the partition {subject.partition}, {never}")
        where = f"{self._problems.file}:{draft.line}:{draft.column}"
        return Rule(subject=subject, username=draft.username, groups=draft.groups, where=where)

    def _template(self, text: str) -> Template:
        template = self._templates.get(text)
        if template is None:
            template = self._templates[text] = _read_template(text)
        return template


def _read_template(text: str) -> Template:
    try:
        template = parse_template(name(text))
    except InvalidTemplate as error:
        raise InvalidValue(f"can't be filled in: {error}") from None
    if "{{EC2PrivateDNSName}}" in text:
        raise InvalidValue(
            "has {{EC2PrivateDNSName}}, which is not supported yet: remove the rule, or call nodes by their "
            "instance ids with {{SessionName}}"
        )
    return template


def _taken(*lists: list[_Draft]) -> Iterator[_Draft]:
    """Take drafts out one by one: a hundred thousand freed at once would be a pause of its own."""
    for drafts in lists:
        drafts.reverse()
        while drafts:
            yield drafts.pop()
