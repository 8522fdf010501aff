"""Which mapping rule came nearest to an identity that none matched, in one sentence for an administrator."""

from __future__ import annotations

import difflib
from itertools import chain, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authd.core.caller_identity import CallerIdentity
    from authd.core.mapping import MappingTable

#: How many rules are looked at: an unmapped caller must not cost a walk through a hundred thousand.
_MOST_RULES = 2_000
#: How many names are compared for likeness, at 0.1 ms each at most.
_MOST_NAMES = 40


def nearest_rule(table: MappingTable, identity: CallerIdentity) -> str:
    """Say which rule came nearest and why it did not match; never names another account's number."""
    if not len(table):
        return "there are no mappings at all"
    patterns = ((rule.subject.key, rule) for _, rule in table.patterns)
    rules = list(islice(chain(table.exact.items(), patterns), _MOST_RULES))
    name = identity.key.rpartition("/")[2]
    same_name, same_account = f"/{name}", f"::{identity.arn.account}:"
    for key, rule in rules:
        if key.endswith(same_name):
            return f"the rule at {rule.where} is for the same name {_difference(key, identity)}"
    here = [(key, rule) for key, rule in rules if same_account in key]
    names = {key.rpartition("/")[2]: rule for key, rule in here[:_MOST_NAMES]}
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"the nearest rule, at {names[near[0]].where}, is for another name in the same account"
    if here:
        return f"{len(here)} of the rules looked at are for the account, none for a name like this one"
    return "no rule is for the account"


def _difference(key: str, identity: CallerIdentity) -> str:
    partition, account = key.split(":")[1], key.split(":")[4]
    if account != identity.arn.account:
        return "in another account"
    if partition != identity.arn.partition:
        return "in another partition"
    return "but another kind of principal or another path"
