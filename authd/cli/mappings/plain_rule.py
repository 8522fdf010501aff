"""A mapping as written, before it is checked. All sources that the commands edit share this form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from authd.cli.shared.errors import CommandError
from authd.config.document.nodes import MappingNode, Node, Scalar, SequenceNode, is_absent
from authd.config.document.problems import Problems
from authd.config.rules.entries import EntryReader, node_of_json
from authd.config.rules.validity import VALID_FROM, VALID_UNTIL
from authd.core.arn import InvalidArn, PrincipalKind, parse_arn
from authd.partition_data import load_partitions

ROLE, USER = "role", "user"
TIMES = (VALID_FROM, VALID_UNTIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainRule:
    """A mapping of a role or user. Either `arn` or `sso` is set. `place` is its location, empty for a new one.

    `times` has `validFrom` and `validUntil` as written, if they are set.
    """

    kind: str
    arn: str = ""
    sso: tuple[tuple[str, str], ...] = ()
    username: str = ""
    groups: tuple[str, ...] = ()
    user_id: str = ""
    times: tuple[tuple[str, str], ...] = ()
    place: str = ""

    @property
    def subject(self) -> str:
        """The ARN or the permission set, for messages."""
        return self.arn or f"sso {', '.join(f'{name}={value}' for name, value in self.sso)}"

    @property
    def key(self) -> str:
        """The form in which principals are compared."""
        try:
            return parse_arn(self.arn).key if self.arn else f"sso {sorted(self.sso)}".lower()
        except InvalidArn:
            return self.arn.lower()

    def entry(self) -> dict[str, Any]:
        """Return the entry of `mapRoles` or `mapUsers`, with aws-auth's names."""
        subject = {"sso": dict(self.sso)} if self.sso else {f"{self.kind}arn": self.arn}
        groups = {"groups": list(self.groups)} if self.groups else {}
        user_id = {"userid": self.user_id} if self.user_id else {}
        return {**subject, "username": self.username, **groups, **user_id, **dict(self.times)}

    def as_json(self) -> dict[str, Any]:
        """Return the rule as JSON."""
        subject: dict[str, Any] = {"sso": dict(self.sso)} if self.sso else {"arn": self.arn}
        return {
            "kind": self.kind, **subject, "username": self.username, "groups": list(self.groups), **dict(self.times),
            "place": self.place,
        }  # fmt: skip


def entry_yaml(rule: PlainRule) -> str:
    """Return the entry as an item of a YAML list."""
    return str(yaml.safe_dump([rule.entry()], sort_keys=False, default_flow_style=False, width=4096))


def kind_of(arn: str) -> str:
    """Return `ROLE` for the ARN of a role, and `USER` for any other principal, which `mapUsers` takes."""
    try:
        return ROLE if parse_arn(arn).kind is PrincipalKind.ROLE else USER
    except InvalidArn:
        return ROLE if ":role/" in arn else USER


def check_rule(rule: PlainRule) -> None:
    """Raise `CommandError` with every fault of a new rule."""
    partition = rule.arn.split(":")[1] if rule.arn.count(":") > 1 else dict(rule.sso).get("partition", "aws")
    problems = Problems("the new mapping")
    reader = EntryReader(problems, load_partitions(), partition, patterns=True)
    node = node_of_json(rule.entry())
    (reader.role if rule.kind == ROLE else reader.user)(node)
    errors = problems.errors()
    if errors:
        raise CommandError("\n".join(map(str, errors)))


def rule_of_node(node: Node, kind: str, place: str) -> PlainRule | None:
    """Return the rule of an entry in a YAML list, None if the entry isn't a mapping."""
    if not isinstance(node, MappingNode):
        return None
    sso = member(node, "sso")
    written = sso.entries.items() if isinstance(sso, MappingNode) else ()
    members = {key: text for key, (_, each) in written if (text := _text(each))}
    names = {"permissionsetname": "permissionSetName", "accountid": "accountID"}
    groups = member(node, "groups")
    return PlainRule(
        kind=kind,
        arn=_text(member(node, f"{kind}arn")),
        sso=tuple((names.get(key, key), text) for key, text in members.items()),
        username=_text(member(node, "username")),
        groups=tuple(map(_text, groups.nodes)) if isinstance(groups, SequenceNode) else (),
        user_id=_text(member(node, "userid")),
        times=_times({name: _text(member(node, name.lower())) for name in TIMES}),
        place=place,
    )


def rule_of_spec(spec: Mapping[str, Any], place: str) -> PlainRule:
    """Return the rule of an IAMIdentityMapping's spec."""
    arn, sso, username, groups = (spec.get(name) for name in ("arn", "sso", "username", "groups"))
    return PlainRule(
        kind=ROLE if sso and not arn else kind_of(str(arn)),
        arn=str(arn or ""),
        sso=tuple((str(name), str(value)) for name, value in sso.items()) if isinstance(sso, dict) else (),
        username=str(username or ""),
        groups=tuple(map(str, groups)) if isinstance(groups, list) else (),
        times=_times({name: str(spec.get(name) or "") for name in TIMES}),
        place=place,
    )


def _times(texts: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, text) for name, text in texts.items() if text)


def member(node: Node | None, key: str) -> Node | None:
    """Return the value of a key in lower case, None if there is none or the node isn't a mapping."""
    _, value = node.entries.get(key, (None, None)) if isinstance(node, MappingNode) else (None, None)
    return value


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) and not is_absent(node) else ""
