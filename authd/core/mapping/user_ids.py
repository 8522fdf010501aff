"""Mappings by the unique ID of a principal, for `server.dynamicFileUserIDStrict`.

An ID is never used again, while a deleted role's ARN may return as another role's.
Source: AWS, "IAM identifiers", unique identifiers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from authd.core.caller_identity import CallerIdentity
from authd.core.mapping.table import AccountRule, MappingTable, Rule

_USER_ID = re.compile(r"A(?:ROA|IDA)[A-Z0-9]{12,124}")


class IdentifiedRule(NamedTuple):
    """A rule, and the key of the ARN that the caller must have too. An empty key allows any ARN."""

    rule: Rule
    arn_key: str


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

    def find(self, identity: CallerIdentity) -> Rule | AccountRule | None:
        """Return the rule for the caller's ID, if the caller has the rule's ARN too, else that of the account."""
        found = self.by_id.get(identity.principal_id)
        if found is not None:
            return found.rule if found.arn_key in {"", identity.key} else None
        where = self.accounts.get(identity.arn.account)
        return None if where is None else AccountRule(where)

    def __len__(self) -> int:
        return len(self.by_id) + len(self.accounts)

    def nearest(self, identity: CallerIdentity) -> str:
        """Say why no rule matches."""
        found = self.by_id.get(identity.principal_id)
        if found is None:
            return f"no rule has the caller's user ID, {identity.principal_id}"
        return f"the rule at {found.rule.where} has the caller's user ID, but another ARN"
