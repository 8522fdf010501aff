"""Which mapping rule came nearest to an identity that none matched, in one sentence for an administrator."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice

from authd.core.caller_identity import CallerIdentity

#: How many rules are looked at: an unmapped caller must not cost a walk through a hundred thousand.
_MOST_RULES = 2_000
#: How many names are compared for likeness, at 0.1 ms each at most.
_MOST_NAMES = 40


def nearest_rule(keys: Iterable[tuple[str, str]], identity: CallerIdentity) -> str:
    """Describe the nearest rule and the difference, without account numbers or names of rules.

    `keys` has the principal's canonical ARN in lower case and the place for each rule.
    """
    rules = list(islice(keys, _MOST_RULES))
    name = identity.key.rpartition("/")[2]
    same_name, same_account = f"/{name}", f"::{identity.arn.account}:"
    for key, where in rules:
        if key.endswith(same_name):
            return f"the rule at {where} is for the same name {_difference(key, identity)}"
    here = [(key, where) for key, where in rules if same_account in key]
    names = {key.rpartition("/")[2]: where for key, where in here[:_MOST_NAMES]}
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"the nearest rule, at {names[near[0]]}, is for another name in the same account"
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
