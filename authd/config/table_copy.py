"""Serialises a mapping table as JSON, for a copy on disk."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from dataclasses import replace
from typing import Any

from authd.config.document.problems import Problems
from authd.config.rules.entries import EntryReader, node_of_json
from authd.core.arn import LiteralArn, PrincipalKind
from authd.core.mapping.reserved import ReservedPrefixes
from authd.core.mapping.rules import PermissionSet, RolePattern, Rule
from authd.core.mapping.table import MappingTable, building_table

#: Rules per step: about 1 ms.
_RULES_PER_STEP = 20


class InvalidCopy(ValueError):
    """The content is not a usable copy of a table. The message is a sentence."""


def writing_copy(table: MappingTable, header: dict[str, Any]) -> Generator[None, None, bytes]:
    """Serialise a table as a JSON object, in steps. `header` has further members of the object."""
    entries: list[str] = []
    for count, rule in enumerate(table.rules(), start=1):
        entries.append(json.dumps(_entry(rule)))
        if count % _RULES_PER_STEP == 0:
            yield
    head = json.dumps({**header, "accounts": dict(table.accounts)}).removesuffix("}")
    rules = ",\n".join(entries)
    return f'{head}, "rules": [\n{rules}\n]}}\n'.encode()


def parse_copy(content: bytes) -> dict[str, Any]:
    """Parse the JSON of a copy. Raises `InvalidCopy`."""
    try:
        copy = json.loads(content)
    except (ValueError, RecursionError):
        raise InvalidCopy("it is not JSON") from None
    if not isinstance(copy, dict) or not isinstance(copy.get("rules"), list) or not _is_places(copy.get("accounts")):
        raise InvalidCopy("it is not a copy of mappings")
    return copy


def reading_copy(
    copy: dict[str, Any],
    partitions: Iterable[str],
    *,
    partition: str,
    patterns: bool,
    reserved: ReservedPrefixes,
) -> Generator[None, None, MappingTable]:
    """Build the table of a copy in steps. Raises `InvalidCopy` if one of its rules is wrong."""
    problems = Problems("the copy")
    reader = EntryReader(problems, partitions, partition, patterns=patterns, templates={})
    rules: list[Rule] = []
    for count, entry in enumerate(copy["rules"], start=1):
        rules.append(_rule(entry, reader))
        if count % _RULES_PER_STEP == 0:
            yield
    return (yield from building_table(rules, copy["accounts"], reserved))


def _entry(rule: Rule) -> dict[str, Any]:
    names = {} if rule.username is None else {"username": rule.username.text}
    groups = [group.text for group in rule.groups]
    return {**_subject(rule), **names, "groups": groups, **rule.validity.members(), "where": rule.where}


def _subject(rule: Rule) -> dict[str, Any]:
    subject = rule.subject
    if isinstance(subject, PermissionSet):
        sso = {"permissionSetName": subject.name, "accountID": subject.account, "partition": subject.partition}
        return {"sso": sso}
    if isinstance(subject, RolePattern):
        return {"rolearn": f"arn:{subject.partition}:iam::{subject.account}:role/{subject.name}"}
    if isinstance(subject, LiteralArn):
        return {"rolearn": subject.text}
    if subject.kind is PrincipalKind.ROLE:  # keep the path, which messages show and the canonical ARN lacks
        return {"rolearn": f"arn:{subject.partition}:iam::{subject.account}:role{subject.path}{subject.name}"}
    return {"userarn": subject.canonical}


def _rule(entry: object, reader: EntryReader) -> Rule:
    where = entry.pop("where", None) if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(where, str):
        raise InvalidCopy("one of its rules has no place")
    node = node_of_json(entry)
    rule = reader.user(node) if "userarn" in entry else reader.role(node)
    if rule is None:
        raise InvalidCopy(f"its rule of {where} can't be read")
    return replace(rule, where=where)


def _is_places(accounts: object) -> bool:
    return isinstance(accounts, dict) and all(isinstance(where, str) for where in accounts.values())
