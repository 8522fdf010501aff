"""Describes the nearest mapping rule to an identity that none matches, in one sentence for an administrator.

No description has an account number or the name of a rule, because the caller receives it too.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import NamedTuple

from authd.core.caller_identity import CallerIdentity

#: Least similarity of two names, from 0 to 1, for one to be a likely slip for the other.
_SIMILAR = 0.5


class IndexedRule(NamedTuple):
    """A rule's place, and its principal's canonical ARN in lower case."""

    where: str
    key: str


class NearestIndex:
    """Rules by account and name, and by name alone. A description takes some look-ups in a table of any size."""

    def __init__(self) -> None:
        self.by_account: dict[str, dict[str, IndexedRule]] = {}
        self.by_name: dict[str, IndexedRule] = {}

    def add(self, rule: IndexedRule) -> None:
        """Add a rule. Of several with the same name the first one counts, of several with the same key the last one."""
        account, name = _account(rule.key), _name(rule.key)
        for rules in (self.by_account.setdefault(account, {}), self.by_name):
            present = rules.get(name)
            if present is None or present.key == rule.key:
                rules[name] = rule

    def describe(self, identity: CallerIdentity) -> str:
        """Describe the nearest rule and the difference. `describe_closest` compares names too, which takes longer."""
        account = self.by_account.get(identity.arn.account, {})
        same_name = _same_name(account, self.by_name, identity)
        if same_name or not account:
            return same_name or "no rule is for the account"
        return f"none of the names mapped in this account ({len(account)}) is this one: compare them by `authd explain`"


def describe_closest(index: NearestIndex, identity: CallerIdentity) -> str:
    """Describe the nearest rule by comparing the names of all rules for the account, at up to 0.1 ms each."""
    account = index.by_account.get(identity.arn.account, {})
    near = difflib.get_close_matches(_name(identity.key), account, n=1, cutoff=_SIMILAR)
    same_name = _same_name(account, index.by_name, identity)
    if same_name:
        return same_name
    if near:
        return f"the nearest rule, at {account[near[0]].where}, is for another name in the same account"
    if account:
        return f"none of the names mapped in this account ({len(account)}) is like this one"
    return "no rule is for the account"


def _same_name(account: Mapping[str, IndexedRule], by_name: Mapping[str, IndexedRule], identity: CallerIdentity) -> str:
    name = _name(identity.key)
    rule = account.get(name) or by_name.get(name)
    return "" if rule is None else f"the rule at {rule.where} is for the same name {_difference(rule.key, identity)}"


def _difference(key: str, identity: CallerIdentity) -> str:
    if _account(key) != identity.arn.account:
        return "in another account"
    if key.split(":")[1] != identity.arn.partition:
        return "in another partition"
    return "but another kind of principal or another path"


def _account(key: str) -> str:
    return key.split(":")[4]


def _name(key: str) -> str:
    return key.rpartition("/")[2]
