"""The mapping tables of all sources, in order: the first table with a matching rule decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from authd.core.caller_identity import CallerIdentity
from authd.core.errors import DenialReason, Denied
from authd.core.kubernetes_user import KubernetesUser
from authd.core.mapping.table import AccountRule, MappingTable, Rule
from authd.core.mapping.templates import INSTANCE_NAME, UNRESOLVED


class SourceTable(NamedTuple):
    """The table of one source, named as in `server.backendMode`."""

    source: str
    table: MappingTable


class Match(NamedTuple):
    """The rule that decides about an identity, and the table that has it."""

    source: str
    table: MappingTable
    rule: Rule | AccountRule

    @property
    def needs_instance_name(self) -> bool:
        """Whether rendering needs the name of the caller's EC2 instance."""
        return isinstance(self.rule, Rule) and self.rule.needs_instance_name

    def render(self, identity: CallerIdentity, instance_name: str = "") -> KubernetesUser:
        """Return the rule's user and groups for an identity. Raises `Denied`, see `MappingTable.render`."""
        if instance_name:
            return self.table.render(self.rule, identity, {INSTANCE_NAME: instance_name})
        return self.table.render(self.rule, identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedTables:
    """Every mapping in force, immutable. A reload builds another object."""

    tables: tuple[SourceTable, ...] = ()

    def __len__(self) -> int:
        return sum(len(entry.table) for entry in self.tables)

    def find(self, identity: CallerIdentity) -> Match | None:
        """Return the first table's rule for an identity, None if no table has one."""
        for source, table in self.tables:
            rule = table.find(identity)
            if rule is not None:
                return Match(source, table, rule)
        return None

    def match(self, identity: CallerIdentity) -> Match:
        """Return the first table's rule for an identity. Raises `Denied`: `identity_not_mapped`."""
        match = self.find(identity)
        if match is None:
            raise Denied(DenialReason.IDENTITY_NOT_MAPPED, f"no mapping matches: {self.nearest(identity)}")
        return match

    def lookup(self, identity: CallerIdentity) -> KubernetesUser:
        """Map an identity.

        Raises `Denied`: `identity_not_mapped` with the nearest rule, `username_not_rendered` or `username_reserved`.
        """
        return self.match(identity).render(identity)

    def explain(self, identity: CallerIdentity) -> KubernetesUser:
        """Map an identity without a call to EC2, see `MappingTable.explain`."""
        return self.match(identity).render(identity, UNRESOLVED[INSTANCE_NAME])

    def nearest(self, identity: CallerIdentity) -> str:
        """Describe the nearest rule of each source, and why it does not match."""
        filled = [entry for entry in self.tables if len(entry.table)]
        if len(filled) == 1:
            return filled[0].table.nearest(identity)
        descriptions = [f"{source}: {table.nearest(identity)}" for source, table in filled]
        return "; ".join(descriptions) or "there are no mappings"

    def replaced(self, source: str, table: MappingTable) -> OrderedTables:
        """Return the same tables with another one for one source."""
        tables = tuple(SourceTable(source, table) if entry.source == source else entry for entry in self.tables)
        return OrderedTables(tables=tables)
