"""Describes the rule nearest to an identity that no rule matches, in one sentence for an administrator.

Descriptions never contain an account number, because the caller's account may differ from the rule's.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from authd.core.caller_identity import CallerIdentity

#: Minimum similarity of two names, from 0 to 1, at which one is suggested as a typo of the other.
_SIMILAR = 0.5
#: Maximum number of rules with a common half of their names that are compared at a login.
_MAX_COMPARED = 8
#: The part of a permission set's role that AWS chooses, in the role's name and in the rule's key.
_SUFFIX = re.compile(r"_(?:[0-9a-f]{16}|<16 hex digits>)\Z")
_SSO = "awsreservedsso_"


class IndexedRule(NamedTuple):
    """A rule's place, its principal's canonical ARN in lower case, and its principal's name for messages."""

    where: str
    key: str
    shown: str


class NearestIndex:
    """Rules by account and name, by name alone, and by halves of their names.

    A description takes a few look-ups, whatever the size of the table.
    """

    def __init__(self) -> None:
        self.by_account: dict[str, dict[str, IndexedRule]] = {}
        self.by_name: dict[str, IndexedRule] = {}
        #: A list only if there are several: thousands of lists would slow down the garbage collector.
        self._by_half: dict[str, IndexedRule | list[IndexedRule]] = {}

    def add(self, rule: IndexedRule) -> None:
        """Add a rule. Of several with the same name the first one counts, of several with the same key the last one."""
        account, name = _account(rule.key), _name(rule.key)
        for rules in (self.by_account.setdefault(account, {}), self.by_name):
            present = rules.get(name)
            if present is None or present.key == rule.key:
                rules[name] = rule
        middle = len(name) // 2
        for half in (f"{account}<{len(name)}<{name[:middle]}", f"{account}>{len(name)}>{name[middle:]}"):
            self._add_half(half, rule)

    def _add_half(self, half: str, rule: IndexedRule) -> None:
        similar = self._by_half.setdefault(half, rule)
        if isinstance(similar, list):
            if len(similar) < _MAX_COMPARED:
                similar.append(rule)
        elif similar is not rule:
            self._by_half[half] = [similar, rule]

    def describe(self, identity: CallerIdentity) -> str:
        """Describe the nearest rule and the difference. `describe_closest` also finds less similar names."""
        account = self.by_account.get(identity.arn.account, {})
        same_name = _same_name(account, self.by_name, identity)
        if same_name or not account:
            return same_name or "no rule names this account"
        name = _name(identity.key)
        for rule in self._similar(identity.arn.account, name):
            difference = _one_edit(name, _name(rule.key))
            if difference:
                return f"did you mean {rule.shown}, at {rule.where}? It {difference}"
        return f"{_others(len(account))}: compare them with `authd explain`"

    def _similar(self, account: str, name: str) -> Iterator[IndexedRule]:
        """Yield the account's rules that share one half of the name. Every name within one edit is among them."""
        for length in (len(name) + 1, len(name), len(name) - 1):
            middle = length // 2
            yield from self._with_half(f"{account}<{length}<{name[:middle]}")
            yield from self._with_half(f"{account}>{length}>{name[len(name) - (length - middle) :]}")

    def _with_half(self, half: str) -> list[IndexedRule]:
        similar = self._by_half.get(half, [])
        return similar if isinstance(similar, list) else [similar]


def describe_closest(index: NearestIndex, identity: CallerIdentity) -> str:
    """Describe the nearest rule by comparing the names of all rules for the account, at up to 0.1 ms each."""
    account = index.by_account.get(identity.arn.account, {})
    same_name = _same_name(account, index.by_name, identity)
    if same_name:
        return same_name
    name = _name(identity.key)
    near = difflib.get_close_matches(name, account, n=1, cutoff=_SIMILAR)
    if near:
        rule = account[near[0]]
        return f"did you mean {rule.shown}, at {rule.where}? It {_difference(name, near[0])}"
    if account:
        return f"{_others(len(account))}, and none is similar"
    return "no rule names this account"


def _same_name(account: Mapping[str, IndexedRule], by_name: Mapping[str, IndexedRule], identity: CallerIdentity) -> str:
    name = _name(identity.key)
    rule = account.get(name) or by_name.get(name)
    if rule is None:
        return ""
    found = f"the rule for {rule.shown} at {rule.where}"
    if _account(rule.key) != identity.arn.account:
        return f"{found} has the same name in another account"
    if rule.key.split(":")[1] != identity.arn.partition:
        return f"{found} has the same name in another partition"
    if name.startswith(_SSO):
        return f"{found} has another suffix of the same permission set: write sso instead of roleARN"
    return f"{found} has the same name, but another kind of principal or another path"


def _one_edit(name: str, other: str) -> str:
    """Return the difference of the other name if it is one edit, else an empty string."""
    start = next(
        (place for place, (a, b) in enumerate(zip(name, other, strict=False)) if a != b), min(len(name), len(other))
    )
    left, right = name[start:], other[start:]
    if right[1:] == left:
        return "has one more letter"
    if left[1:] == right:
        return "has one letter fewer"
    if left[1:] == right[1:]:
        return "differs in one letter"
    return "has two letters swapped" if left[:2] == right[1::-1] and left[2:] == right[2:] else ""


def _difference(name: str, other: str) -> str:
    """Return the difference of the other name in words."""
    one = _one_edit(name, other)
    if one:
        return one
    more = less = 0
    for kind, start, end, other_start, other_end in difflib.SequenceMatcher(
        None, name, other, autojunk=False
    ).get_opcodes():
        if kind != "equal":
            less += end - start
            more += other_end - other_start
    parts = [f"has {_letters(more)} more"] if more else []
    parts += [f"lacks {_letters(less)} of this name"] if less else []
    return " and ".join(parts)


def _others(count: int) -> str:
    if count == 1:
        return "the only rule for this account has another name"
    return f"the {count} rules for this account have other names"


def _letters(count: int) -> str:
    return "one letter" if count == 1 else f"{count} letters"


def _account(key: str) -> str:
    return key.split(":")[4]


def _name(key: str) -> str:
    """Return the name in a key. The roles of one permission set have one name."""
    name = key.rpartition("/")[2]
    return _SUFFIX.sub("_<suffix>", name) if name.startswith(_SSO) else name
