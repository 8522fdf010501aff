"""The mapping table out of everything in a file that maps: rules, accounts and reserved prefixes."""

from __future__ import annotations

from collections.abc import Generator

from authd.config.backends import read_prefixes
from authd.config.rules.reader import RuleReader
from authd.config.section import Section
from authd.config.values import account
from authd.core.mapping import MappingTable, building_table

#: How many accounts are read between two pauses: under 2 ms.
_ACCOUNTS_PER_STEP = 500


def reading_table(
    server: Section, rules: RuleReader, partition: str, backends: tuple[str, ...]
) -> Generator[None, None, MappingTable]:
    """Build the table in steps from the rules, which have been read, and the rest of the section."""
    for node in server.items("mapUsers"):
        rules.take_user(node)
    for node in server.items("mapRoles"):
        rules.take_role(node)
    chosen = yield from rules.choosing(partition)
    accounts = yield from reading_accounts(server, "mapAccounts")
    return (yield from building_table(chosen, accounts, read_prefixes(server, backends)))


def reading_accounts(server: Section, setting: str) -> Generator[None, None, dict[str, str]]:
    """Read a list of accounts in steps: for each number, where it is written."""
    lines: dict[str, int] = {}
    places: dict[str, str] = {}
    for count, (node, number) in enumerate(server.values(setting, account), start=1):
        if number in lines:
            server.problems.warn(node, f"the account stands in {setting} already, in line {lines[number]}")
        lines[number] = node.line
        places[number] = f"{server.problems.file}:{node.line}:{node.column}"
        if count % _ACCOUNTS_PER_STEP == 0:
            yield
    return places
