"""Reads the data of the ConfigMap aws-auth: lists of rules as YAML texts.

Source: Amazon EKS user guide, "Grant IAM users and roles access to Kubernetes APIs" (aws-auth ConfigMap).
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import NamedTuple

from authd.config.document.decoding import Unreadable, decoding
from authd.config.document.nodes import Node, Scalar
from authd.config.document.problems import Problems
from authd.config.document.tree import reading_tree
from authd.config.rules.entries import EntryReader, items_of, reading_accounts
from authd.core.errors import Problem
from authd.core.mapping.reserved import ReservedPrefixes
from authd.core.mapping.rules import Rule
from authd.core.mapping.table import MappingTable, building_table

#: The prefix of places of problems and rules.
PLACE = "configmap kube-system/aws-auth"
_RULES_PER_STEP = 50


class AwsAuth(NamedTuple):
    """The table of the valid entries, and the problems of all entries."""

    table: MappingTable
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def reading_aws_auth(
    data: Mapping[str, str],
    partitions: Iterable[str],
    *,
    partition: str,
    patterns: bool,
    reserved: ReservedPrefixes,
) -> Generator[None, None, AwsAuth]:
    """Read the ConfigMap's data in steps."""
    rules: list[Rule] = []
    found: dict[str, Problems] = {}
    partitions = tuple(partitions)
    for name in ("mapUsers", "mapRoles"):
        problems = found[name] = Problems(f"{PLACE} {name}")
        reader = EntryReader(problems, partitions, partition, patterns=patterns)
        read = reader.user if name == "mapUsers" else reader.role
        root = yield from _reading(data.get(name, ""), problems)
        for count, node in enumerate(items_of(root, name, problems)):
            rule = read(node)
            rules += [rule] if rule is not None else []
            if count % _RULES_PER_STEP == 0:
                yield
    problems = found["mapAccounts"] = Problems(f"{PLACE} mapAccounts")
    root = yield from _reading(data.get("mapAccounts", ""), problems)
    accounts = yield from reading_accounts(root, problems)
    table = yield from building_table(rules, accounts, reserved)
    return AwsAuth(
        table,
        tuple(problem for each in found.values() for problem in each.errors()),
        tuple(problem for each in found.values() for problem in each.warnings()),
    )


def _reading(text: str, problems: Problems) -> Generator[None, None, Node]:
    try:
        # An entry that has lost a name or a time must not come into force without it.
        return (yield from reading_tree((yield from decoding(text.encode())), problems, {}, whole=True))
    except Unreadable as fault:
        problems.error(fault, fault.message)
        return Scalar(0, 0, "", plain=True)
