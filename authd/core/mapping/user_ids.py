"""Mappings by the unique ID of a principal, for `server.dynamicFileUserIDStrict`.

An ID is never reused, while another role may get a deleted role's ARN.
Source: AWS, "IAM identifiers", unique identifiers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from authd.core.caller_identity import CallerIdentity
from authd.core.mapping.rules import AccountRule, Rule, TimedRule
from authd.core.mapping.table import MappingTable
from authd.core.mapping.validity import NO_TIME, Timetable, timetable_of

_USER_ID = re.compile(r"A(?:ROA|IDA)[A-Z0-9]{12,124}")


class IdentifiedRule(NamedTuple):
    """A rule, and the key of the ARN that the caller must have too. An empty key allows any ARN.

    `earlier` is the rule for the same ID that applies while this one is not in force.
    """

    rule: Rule
    arn_key: str
    earlier: IdentifiedRule | None = None

    def chain(self) -> Iterator[IdentifiedRule]:
        """Yield this rule and the earlier ones that it is linked to."""
        found: IdentifiedRule | None = self
        while found is not None:
            yield found
            found = found.earlier

    def preceding(self, earlier: IdentifiedRule | None) -> IdentifiedRule:
        """Return this rule linked to an earlier one, or alone if it is always in force."""
        return self._replace(earlier=earlier) if isinstance(self.rule, TimedRule) else self


def parse_user_id(text: str) -> str:
    """Return a role's or user's unique ID. Raises `ValueError` with the end of a sentence."""
    if not text:
        raise ValueError("is missing")
    if not _USER_ID.fullmatch(text):
        raise ValueError("must be the unique ID of a role (AROA…) or user (AIDA…)")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class UserIDTable(MappingTable):
    """Mappings by unique ID. `exact` and `patterns` are empty."""

    by_id: Mapping[str, IdentifiedRule]

    def find(self, identity: CallerIdentity, now: float = NO_TIME) -> Rule | AccountRule | None:
        """Return the rule for the caller's ID and ARN. The account's rule applies only if no rule has the ID."""
        if self.timetable is not None:
            return MappingTable.find(self, identity, now)
        found = self.by_id.get(identity.principal_id)
        if found is not None:
            return found.rule if found.arn_key in {"", identity.key} else None
        where = self.accounts.get(identity.arn.account)
        return None if where is None else AccountRule(where)

    def candidates(self, identity: CallerIdentity) -> Iterator[Rule | AccountRule]:
        """Yield the rules for the caller's ID and ARN. If only the ARN differs, the account's rule does not apply."""
        found = self.by_id.get(identity.principal_id)
        matching = [] if found is None else [e.rule for e in found.chain() if e.arn_key in {"", identity.key}]
        yield from matching
        where = self.accounts.get(identity.arn.account)
        if where is not None and (found is None or matching):
            yield AccountRule(where)

    def rules(self) -> Iterator[Rule]:
        """Yield all rules."""
        for found in self.by_id.values():
            yield from (each.rule for each in found.chain())

    def __len__(self) -> int:
        fallbacks = 0 if self.timetable is None else self.timetable.fallbacks
        return len(self.by_id) + len(self.accounts) + fallbacks

    def nearest(self, identity: CallerIdentity, now: float = NO_TIME) -> str:
        """Describe why no rule matches."""
        other_time = self.other_time(identity, now)
        if other_time:
            return other_time
        found = self.by_id.get(identity.principal_id)
        if found is None:
            return f"no rule has the caller's user ID, {identity.principal_id}"
        return f"the rule at {found.rule.where} has the caller's user ID, but another ARN"


def timetable_by_id(by_id: Mapping[str, IdentifiedRule]) -> Timetable | None:
    """Return the times of the rules, None if no rule is timed."""
    rules = [each.rule for found in by_id.values() for each in found.chain()]
    validities = [rule.validity for rule in rules if isinstance(rule, TimedRule)]
    return timetable_of(validities, len(rules) - len(by_id)) if validities else None
