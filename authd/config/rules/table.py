"""Builds the mapping table of a settings file from its rules, accounts and reserved prefixes."""

from __future__ import annotations

import re
from collections.abc import Generator

from authd.config.document.nodes import Node, Scalar, SequenceNode, matched
from authd.config.fields.section import Section
from authd.config.fields.values import account, boolean
from authd.config.rules.reader import RuleReader
from authd.core.mapping.reserved import ReservedPrefixes
from authd.core.mapping.table import MappingTable, building_table

#: Accounts per step: under 2 ms.
_ACCOUNTS_PER_STEP = 500
#: A number of twelve digits as Helm and others write large numbers. Any reader of YAML gets the digits back.
_FLOATING_POINT = re.compile(r"([1-9])\.([0-9]{1,11})[eE]\+?11|([1-9][0-9]{11})\.0?")
#: Twelve digits that YAML 1.1 takes for an octal number.
_OCTAL = re.compile(r"0[0-7]{11}")


def reading_table(
    server: Section,
    rules: RuleReader,
    partition: str,
    reserved: ReservedPrefixes,
) -> Generator[None, None, MappingTable]:
    """Build the table in steps, from the rules read so far and the section's own."""
    for node in server.items("mapUsers"):
        rules.add_user(node)
    for node in server.items("mapRoles"):
        rules.add_role(node)
    patterns = server.value("rolePatterns", boolean, default=False)
    chosen = yield from rules.choosing(partition, patterns=patterns, reserved=reserved)
    accounts = yield from reading_accounts(server, "mapAccounts")
    return (yield from building_table(chosen, accounts, reserved))


def reading_accounts(server: Section, setting: str) -> Generator[None, None, dict[str, str]]:
    """Read a list of accounts in steps. Returns the place of each number."""
    lines: dict[str, int] = {}
    places: dict[str, str] = {}
    yield from _preparing(server, setting)
    for count, (node, number) in enumerate(server.values(setting, account, words=True), start=1):
        if number in lines:
            server.problems.warn(node, f"the account is already in {setting}, in line {lines[number]}")
        if type(node) is Scalar and node.plain and _OCTAL.fullmatch(node.text):
            server.problems.warn(
                node,
                f"{setting}: {number} is the account here, but without quotes aws-iam-authenticator reads an octal "
                "number and another account: quote it",
            )
        lines[number] = node.line
        places[number] = server.problems.where(node)
        if count % _ACCOUNTS_PER_STEP == 0:
            yield
    return places


def _preparing(server: Section, setting: str) -> Generator[None, None, None]:
    """Give accounts in floating point their digits, in steps, and warn of a text that has several accounts."""
    found = server.node_of(setting)
    if isinstance(found, Scalar):
        written, _ = server.node.entries[matched(setting)]
        server.node.entries[matched(setting)] = written, _with_digits(found)
    if isinstance(found, SequenceNode):
        for place, node in enumerate(found.nodes):
            found.nodes[place] = _with_digits(node)
            if place % _ACCOUNTS_PER_STEP == _ACCOUNTS_PER_STEP - 1:
                yield
    elif isinstance(found, Scalar) and found.origin is None and any(map(str.isspace, found.text)):
        server.problems.warn(
            found,
            f"server.{setting}: white space separates accounts here, but is a part of the numbers in "
            "aws-iam-authenticator, which then match nobody: write a list",
        )


def _with_digits(node: Node) -> Node:
    if not isinstance(node, Scalar) or not node.plain:
        return node
    match = _FLOATING_POINT.fullmatch(node.text)
    return node if match is None else node._replace(text=match[3] or match[1] + match[2].ljust(11, "0"))
