"""Converts EKS access entries to rules.

Source: Amazon EKS API reference, AccessEntry, and user guide, "Create access entries" (types and default user names).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from authd.cli.mappings.plain_rule import PlainRule, kind_of
from authd.cli.shared.errors import CommandError

#: Types of entries for nodes, and the rule that nodes need.
_NODE_TYPES = frozenset({"EC2_LINUX", "EC2_WINDOWS", "EC2", "HYBRID_LINUX"})
_NODE_GROUPS = ("system:bootstrappers", "system:nodes")
_WINDOWS_GROUP = "eks:kube-proxy-windows"
_FARGATE_GROUPS = (*_NODE_GROUPS, "system:node-proxier")


class Converted(NamedTuple):
    """The converted rules, and a message for everything that has no counterpart."""

    rules: list[PlainRule]
    missing: list[str]


def convert_entries(text: str) -> Converted:
    """Convert the JSON outputs of `aws eks describe-access-entry`, one after the other.

    Outputs of `list-associated-access-policies` among them are reported.
    """
    rules: list[PlainRule] = []
    missing: list[str] = []
    for document in _documents(text):
        if isinstance(document.get("accessEntry"), dict):
            _convert(document["accessEntry"], rules, missing)
        elif "accessEntries" in document:
            missing.append(
                "the output of list-access-entries has names only: run describe-access-entry for each principalArn"
            )
        elif "associatedAccessPolicies" in document:
            arn = str(document.get("principalArn", "an access entry"))
            policies = document["associatedAccessPolicies"]
            names = [str(each.get("policyArn", "")) for each in policies if isinstance(each, dict)]
            missing += [f"{arn}: the access policy {name} has no counterpart: bind RBAC roles" for name in names]
        else:
            raise CommandError("the input has JSON that is not an output of `aws eks describe-access-entry`: remove it")
    return Converted(rules, missing)


def _convert(entry: dict[str, Any], rules: list[PlainRule], missing: list[str]) -> None:
    arn, kind = str(entry.get("principalArn", "")), str(entry.get("type", "STANDARD"))
    groups = tuple(map(str, entry.get("kubernetesGroups") or ()))
    username = str(entry.get("username") or "")
    if kind in _NODE_TYPES:
        username = "system:node:{{SessionName}}" if kind == "HYBRID_LINUX" else "system:node:{{EC2PrivateDNSName}}"
        groups = (*groups, *_NODE_GROUPS, *((_WINDOWS_GROUP,) if kind == "EC2_WINDOWS" else ()))
    elif kind == "FARGATE_LINUX":
        username, groups = "system:node:{{SessionName}}", (*groups, *_FARGATE_GROUPS)
    elif kind != "STANDARD":
        missing.append(f"{arn}: entries of the type {kind} have no counterpart")
        return
    if entry.get("tags"):
        missing.append(f"{arn}: tags have no counterpart")
    if not groups:
        missing.append(f"{arn}: it has no groups, so its permissions came from access policies: bind RBAC roles to it")
    rules.append(PlainRule(kind=kind_of(arn), arn=arn, username=username, groups=tuple(dict.fromkeys(groups))))


def _documents(text: str) -> Iterator[dict[str, Any]]:
    decoder, place = json.JSONDecoder(), 0
    text = text.strip()
    while place < len(text):
        try:
            document, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            raise CommandError(
                "the access entries are not JSON: give the output of `aws eks describe-access-entry`"
            ) from None
        place += len(text[place:]) - len(text[place:].lstrip())
        for each in document if isinstance(document, list) else [document]:
            if not isinstance(each, dict):
                raise CommandError(
                    "the access entries are not JSON objects: give the output of `aws eks describe-access-entry`"
                )
            yield each
