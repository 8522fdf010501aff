from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.core.mapping import build_table

A, B = "111122223333", "444455556666"


def session(role, account=A, partition="aws"):
    return f"arn:{partition}:sts::{account}:assumed-role/{role}/me"


def said(rules, identities, arns, caller, accounts=()):
    chosen = [rules.arn(arn, where=f"m.yaml:{line}:3") for line, arn in enumerate(arns, start=1)]
    return build_table(chosen, dict.fromkeys(accounts, "m.yaml:9:9")).nearest(identities.of(caller))


CASES = [
    ([], session("Admin"), "there are no mappings at all"),
    ([f"arn:aws:iam::{B}:role/Admin"], session("Admin"), "the rule at m.yaml:1:3 is for the same name in another account"),
    ([f"arn:aws:iam::{B}:role/X", f"arn:aws:iam::{B}:role/x/ADMIN"], session("Admin"),
     "the rule at m.yaml:2:3 is for the same name in another account"),
    ([f"arn:aws:iam::{A}:role/Admin"], session("Admin", B), "the rule at m.yaml:1:3 is for the same name in another account"),
    ([f"arn:aws-cn:iam::{A}:role/Admin"], session("Admin"),
     "the rule at m.yaml:1:3 is for the same name in another partition"),
    ([f"arn:aws:iam::{A}:role/Admin"], session("Admin", partition="aws-cn"),
     "the rule at m.yaml:1:3 is for the same name in another partition"),
    ([f"arn:aws-cn:iam::{B}:role/Admin"], session("Admin"),
     "the rule at m.yaml:1:3 is for the same name in another account"),
    ([f"arn:aws:iam::{A}:user/Admin"], session("Admin"),
     "the rule at m.yaml:1:3 is for the same name but another kind of principal or another path"),
    ([f"arn:aws:iam::{A}:user/dev/Al"], f"arn:aws:iam::{A}:user/Al",
     "the rule at m.yaml:1:3 is for the same name but another kind of principal or another path"),
    ([f"arn:aws:iam::{A}:user/Al"], f"arn:aws:iam::{A}:user/dev/Al",
     "the rule at m.yaml:1:3 is for the same name but another kind of principal or another path"),
    ([f"arn:aws:iam::{A}:role/Zebra", f"arn:aws:iam::{A}:role/Admins"], session("Admin"),
     "the nearest rule, at m.yaml:2:3, is for another name in the same account"),
    ([f"arn:aws:iam::{A}:user/a/long/path/of/its/own/Admins"], session("Admin"),
     "the nearest rule, at m.yaml:1:3, is for another name in the same account"),
    ([f"arn:aws:iam::{A}:role/Admin-Others12"], session("Admin"),
     "the nearest rule, at m.yaml:1:3, is for another name in the same account"),
    ([f"arn:aws:iam::{B}:user/{A}:/::{A}/Admins"], session("Admin"), "no rule is for the account"),
    ([f"arn:aws:iam::{A}:role/XAdmin"], session("Admin"),
     "the nearest rule, at m.yaml:1:3, is for another name in the same account"),
    ([f"arn:aws:iam::{A}:role/Admin-*"], session("Admin"),
     "the nearest rule, at m.yaml:1:3, is for another name in the same account"),
    ([f"arn:aws:iam::{A}:role/Zebra", f"arn:aws:iam::{A}:role/Y*"], session("Admin"),
     "2 of the rules looked at are for the account, none for a name like this one"),
    ([f"arn:aws:iam::{B}:role/Admins", f"arn:aws:iam::{B}:role/Adm*"], session("Admin"), "no rule is for the account"),
]  # fmt: skip


@pytest.mark.parametrize(("arns", "caller", "sentence"), CASES)
def test_the_nearest_rule_is_named_by_its_place(rules, identities, arns, caller, sentence):
    """The sentence names the place of the nearest rule and the difference."""
    assert said(rules, identities, arns, caller) == sentence


def test_a_permission_set_is_near_to_its_roles(rules, identities):
    """For a set's role the nearest rule is the set with a similar name."""
    table = build_table([rules.sso("Admin", where="m.yaml:4:3"), rules.arn(f"arn:aws:iam::{A}:role/Zebra")], {})
    caller = identities.of(session("AWSReservedSSO_Admin_Extra_0123456789abcdef"))
    assert table.nearest(caller) == "the nearest rule, at m.yaml:4:3, is for another name in the same account"


def test_accounts_alone_are_mappings(rules, identities):
    """A table that maps only accounts is not called empty."""
    assert said(rules, identities, [], session("Admin"), accounts=[B]) == "no rule is for the account"


def test_the_search_is_bounded(rules, identities):
    """Of very many rules only the first two thousand are looked at, and of their names forty compared."""
    far = [f"arn:aws:iam::{B}:role/r{number}" for number in range(2_000)]
    same = f"arn:aws:iam::{B}:role/Admin"
    assert said(rules, identities, [*far[:-1], same], session("Admin")).endswith(
        "is for the same name in another account"
    )
    assert said(rules, identities, [*far, same], session("Admin")) == "no rule is for the account"
    patterns = [f"arn:aws:iam::{A}:role/{number:04}*" for number in range(40)]
    assert said(rules, identities, [*patterns, f"arn:aws:iam::{A}:role/Admins"], session("Admin")).startswith(
        "the nearest rule, at m.yaml:41:3"
    )
    unlike = [f"arn:aws:iam::{A}:role/{number:04}" for number in range(40)]
    near = f"arn:aws:iam::{A}:role/Admins"
    assert said(rules, identities, [*unlike[:-1], near], session("Admin")).startswith(
        "the nearest rule, at m.yaml:40:3"
    )
    beyond = said(rules, identities, [*unlike, near], session("Admin"))
    assert beyond == "41 of the rules looked at are for the account, none for a name like this one"


ARNS = st.builds(
    "arn:{}:iam::{}:{}/{}".format,
    st.sampled_from(["aws", "aws-cn"]),
    st.sampled_from([A, B, "777788889999"]),
    st.sampled_from(["role", "user"]),
    st.sampled_from(["a", "Admin", "Admins", "AWSReservedSSO_Admin_"]),
)


@given(
    st.lists(ARNS, max_size=6), st.sampled_from([session("Admin"), session("zz", B), f"arn:aws:iam::{A}:user/x/Admin"])
)
def test_no_accounts_number_is_ever_named(rules, identities, arns, caller):
    """Whoever reads a refusal learns no account's number and no name of a rule, not even a similar one."""
    sentence = said(rules, identities, arns, caller)
    for secret in (A, B, "777788889999", "Admin", "arn:"):
        assert secret not in sentence
