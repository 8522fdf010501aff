"""Builds the mapping table of a settings file from its rules, accounts and reserved prefixes."""

from __future__ import annotations

from collections.abc import Generator

from authd.config.fields.section import Section
from authd.config.fields.values import account, boolean
from authd.config.rules.reader import RuleReader
from authd.core.mapping.reserved import ReservedPrefixes
from authd.core.mapping.table import MappingTable, building_table

#: Accounts per step: under 2 ms.
_ACCOUNTS_PER_STEP = 500


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
    for count, (node, number) in enumerate(server.values(setting, account, words=True), start=1):
        if number in lines:
            server.problems.warn(node, f"the account is already in {setting}, in line {lines[number]}")
        lines[number] = node.line
        places[number] = server.problems.where(node)
        if count % _ACCOUNTS_PER_STEP == 0:
            yield
    return places
