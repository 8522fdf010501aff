"""The mapping tables of all sources, in order: the first table with a matching rule decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from authd.core.caller_identity import CallerIdentity
from authd.core.errors import DenialReason, Denied
from authd.core.kubernetes_user import KubernetesUser
from authd.core.mapping.rules import AccountRule, Rule
from authd.core.mapping.table import MappingTable
from authd.core.mapping.templates import INSTANCE_NAME, UNRESOLVED
from authd.core.mapping.validity import NO_TIME


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

    def check_time(self, now: float) -> None:
        """Raise `Denied(identity_not_mapped)` if the rule is not in force at this Unix time."""
        validity = self.rule.validity
        if not validity.includes(now):
            message = f"no mapping matches: the rule at {self.rule.where} {validity.fault_at(now)}"
            raise Denied(DenialReason.IDENTITY_NOT_MAPPED, message)

    def render(self, identity: CallerIdentity, instance_name: str = "") -> KubernetesUser:
        """Return the rule's user and groups for an identity. Raises `Denied`, see `MappingTable.render`."""
        if instance_name:
            return self.table.render(self.rule, identity, {INSTANCE_NAME: instance_name})
        return self.table.render(self.rule, identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedTables:
    """Every mapping in force, immutable. A reload builds another object.

    `now` is the Unix time of the review. Without it, tables with timed rules match nothing.
    """

    tables: tuple[SourceTable, ...] = ()

    def __len__(self) -> int:
        return sum(len(entry.table) for entry in self.tables)

    def find(self, identity: CallerIdentity, now: float = NO_TIME) -> Match | None:
        """Return the matching rule of the first table that has one, or None."""
        for source, table in self.tables:
            rule = table.find(identity, now)
            if rule is not None:
                return Match(source, table, rule)
        return None

    def match(self, identity: CallerIdentity, now: float = NO_TIME) -> Match:
        """Return the matching rule of the first table that has one. Raises `Denied(identity_not_mapped)`."""
        match = self.find(identity, now)
        if match is None:
            raise Denied(DenialReason.IDENTITY_NOT_MAPPED, f"no mapping matches: {self.nearest(identity, now)}")
        return match

    def lookup(self, identity: CallerIdentity, now: float = NO_TIME) -> KubernetesUser:
        """Map an identity.

        Raises `Denied`: `identity_not_mapped` with the nearest rule, `username_not_rendered` or `username_reserved`.
        """
        return self.match(identity, now).render(identity)

    def explain(self, identity: CallerIdentity, now: float = NO_TIME) -> KubernetesUser:
        """Map an identity without a call to EC2, see `MappingTable.explain`."""
        return self.match(identity, now).render(identity, UNRESOLVED[INSTANCE_NAME])

    def nearest(self, identity: CallerIdentity, now: float = NO_TIME) -> str:
        """Describe the nearest rule of each source, and why it does not match.

        If rules for the identity exist but are not in force, only those are described.
        """
        other_times = [table.other_time(identity, now) for _, table in self.tables]
        if any(other_times):
            return "; ".join(filter(None, other_times))
        filled = [entry for entry in self.tables if len(entry.table)]
        if len(filled) == 1:
            return filled[0].table.nearest(identity)
        descriptions = [f"{source}: {table.nearest(identity)}" for source, table in filled]
        return "; ".join(descriptions) or "there are no mappings"

    def rule_of_another_time(self, identity: CallerIdentity, now: float) -> Rule | None:
        """Return the first rule for an identity that is not in force at `now`, None if there is none."""
        found = (rule for _, table in self.tables for rule in table.rules_of_another_time(identity, now))
        return next(found, None)

    def in_force(self, now: float) -> int:
        """Return the number of rules that are in force at `now`."""
        return sum(table.in_force(now) for _, table in self.tables)

    def period(self, now: float) -> int:
        """Return a number that changes whenever a rule begins or ends."""
        return sum(0 if table.timetable is None else table.timetable.period(now) for _, table in self.tables)

    def replaced(self, source: str, table: MappingTable) -> OrderedTables:
        """Return a copy with another table for one source."""
        tables = tuple(SourceTable(source, table) if entry.source == source else entry for entry in self.tables)
        return OrderedTables(tables=tables)
