from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.core.mapping.table import build_table

A, B = "111122223333", "444455556666"


def session(role, account=A, partition="aws"):
    return f"arn:{partition}:sts::{account}:assumed-role/{role}/me"


def describe_with(rules, identities, arns, caller, accounts=()):
    chosen = [rules.arn(arn, where=f"m.yaml:{line}:3") for line, arn in enumerate(arns, start=1)]
    return build_table(chosen, dict.fromkeys(accounts, "m.yaml:9:9")).closest(identities.of(caller))


CASES = [
    ([], session("Admin"), "there are no mappings"),
    ([f"arn:aws:iam::{B}:role/Admin"], session("Admin"),
     "the rule for role/Admin at m.yaml:1:3 has the same name in another account"),
    ([f"arn:aws:iam::{B}:role/X", f"arn:aws:iam::{B}:role/x/ADMIN"], session("Admin"),
     "the rule for role/x/ADMIN at m.yaml:2:3 has the same name in another account"),
    ([f"arn:aws-cn:iam::{A}:role/Admin"], session("Admin"),
     "the rule for role/Admin at m.yaml:1:3 has the same name in another partition"),
    ([f"arn:aws-cn:iam::{B}:role/Admin"], session("Admin"),
     "the rule for role/Admin at m.yaml:1:3 has the same name in another account"),
    ([f"arn:aws:iam::{A}:user/dev/Al"], f"arn:aws:iam::{A}:user/Al",
     "the rule for user/dev/Al at m.yaml:1:3 has the same name, but another kind of principal or another path"),
    ([f"arn:aws:iam::{A}:role/AWSReservedSSO_Admin_0123456789abcdef"], session("AWSReservedSSO_Admin_fedcba9876543210"),
     ("the rule for role/AWSReservedSSO_Admin_0123456789abcdef at m.yaml:1:3 has another suffix of the same "
      "permission set: write sso instead of roleARN")),
    ([f"arn:aws:iam::{A}:role/Zebra", f"arn:aws:iam::{A}:role/Admins"], session("Admin"),
     "did you mean role/Admins, at m.yaml:2:3? It has one more letter"),
    ([f"arn:aws:iam::{A}:role/KubernetesAdmin"], session("KubernetsAdmin"),
     "did you mean role/KubernetesAdmin, at m.yaml:1:3? It has one more letter"),
    ([f"arn:aws:iam::{A}:role/Admin"], session("Admins"), "did you mean role/Admin, at m.yaml:1:3? It has one letter fewer"),
    ([f"arn:aws:iam::{A}:role/Admin"], session("Adm1n"), "did you mean role/Admin, at m.yaml:1:3? It differs in one letter"),
    ([f"arn:aws:iam::{A}:role/Admin"], session("Admni"),
     "did you mean role/Admin, at m.yaml:1:3? It has two letters swapped"),
    ([f"arn:aws:iam::{A}:user/a/long/path/of/its/own/Admins"], session("Admin"),
     "did you mean user/a/long/path/of/its/own/Admins, at m.yaml:1:3? It has one more letter"),
    ([f"arn:aws:iam::{B}:user/{A}:/::{A}/Admins"], session("Admin"), "no rule names this account"),
    ([f"arn:aws:iam::{B}:role/Admins", f"arn:aws:iam::{B}:role/Adm*"], session("Admin"), "no rule names this account"),
]  # fmt: skip

#: Names that only the comparison of all names finds.
CLOSEST = [
    ([f"arn:aws:iam::{A}:role/Admin-Others12"], session("Admin"),
     "did you mean role/Admin-Others12, at m.yaml:1:3? It has 9 letters more"),
    ([f"arn:aws:iam::{A}:role/Admin"], session("XYAdmin"),
     "did you mean role/Admin, at m.yaml:1:3? It lacks 2 letters of this name"),
    ([f"arn:aws:iam::{A}:role/Administer"], session("Administrator"),
     "did you mean role/Administer, at m.yaml:1:3? It has one letter more and lacks 4 letters of this name"),
    ([f"arn:aws:iam::{A}:role/Admin-*"], session("Admin"),
     "did you mean role/Admin-*, at m.yaml:1:3? It has 2 letters more"),
    ([f"arn:aws:iam::{A}:role/Zebra", f"arn:aws:iam::{A}:role/Y*"], session("Admin"),
     "the 2 rules for this account have other names, and none is similar"),
]  # fmt: skip


@pytest.mark.parametrize(("arns", "caller", "sentence"), [*CASES, *CLOSEST])
def test_the_nearest_rule_is_named(rules, identities, arns, caller, sentence):
    """The description has the nearest rule's name, its place and the difference."""
    assert describe_with(rules, identities, arns, caller) == sentence


def test_a_permission_set_is_near_to_its_roles(rules, identities):
    """For a permission set's role, the nearest rule is the set with a similar name."""
    table = build_table([rules.sso("Admin", where="m.yaml:4:3"), rules.arn(f"arn:aws:iam::{A}:role/Zebra")], {})
    caller = identities.of(session("AWSReservedSSO_Admin_Extra_0123456789abcdef"))
    assert (
        table.closest(caller) == "did you mean the permission set Admin, at m.yaml:4:3? It lacks 6 letters of this name"
    )
    slip = identities.of(session("AWSReservedSSO_Admins_0123456789abcdef"))
    assert table.nearest(slip) == "did you mean the permission set Admin, at m.yaml:4:3? It has one letter fewer"


def test_accounts_alone_are_mappings(rules, identities):
    """A table with only accounts does not count as empty."""
    assert describe_with(rules, identities, [], session("Admin"), accounts=[B]) == "no rule names this account"


LOGIN_CASES = [
    *CASES,
    ([f"arn:aws:iam::{A}:role/Zebra", f"arn:aws:iam::{A}:role/Admin-Others"], session("Admin"),
     "the 2 rules for this account have other names: compare them with `authd explain`"),
]  # fmt: skip


@pytest.mark.parametrize(("arns", "caller", "sentence"), LOGIN_CASES)
def test_a_login_finds_one_edit(rules, identities, arns, caller, sentence):
    """At a login, the index alone is searched. For less similar names the description has the command to run."""
    chosen = [rules.arn(arn, where=f"m.yaml:{line}:3") for line, arn in enumerate(arns, start=1)]
    assert build_table(chosen, {}).nearest(identities.of(caller)) == sentence


@given(st.text("abcd", min_size=2, max_size=8), st.data())
def test_one_edit_is_always_found(rules, identities, name, data):
    """The index finds the rule for a name with any one letter missing, added or replaced."""
    place = data.draw(st.integers(0, len(name) - 1))
    slip = data.draw(st.sampled_from([name[:place] + name[place + 1 :], name[:place] + "x" + name[place:],
                                      name[:place] + "x" + name[place + 1 :]]))  # fmt: skip
    table = build_table([rules.arn(f"arn:aws:iam::{A}:role/{name}", where="m.yaml:1:3")], {})
    assert table.nearest(identities.of(session(slip))).startswith(f"did you mean role/{name}, at m.yaml:1:3? It ")


def test_the_same_account_is_nearer_than_another(rules, identities):
    """Of two rules with the same name, the one for the caller's account is nearer, in either order."""
    arns = [f"arn:aws:iam::{B}:role/Admin", f"arn:aws:iam::{A}:user/Admin"]
    sentence = describe_with(rules, identities, arns, session("Admin"))
    assert (
        sentence
        == "the rule for user/Admin at m.yaml:2:3 has the same name, but another kind of principal or another path"
    )


def test_of_two_rules_for_one_principal_the_later_one_counts(rules, identities):
    """The described place is that of the later rule, which is in force."""
    arns = [f"arn:aws:iam::{B}:role/Admin", f"arn:aws:iam::{B}:role/x/ADMIN", f"arn:aws:iam::{'7' * 12}:role/Admin"]
    sentence = describe_with(rules, identities, arns, session("Admin"))
    assert sentence == "the rule for role/x/ADMIN at m.yaml:2:3 has the same name in another account"


def test_the_description_is_right_in_large_tables(rules, identities):
    """The nearest rule is found among tens of thousands, even if it is the last one."""
    far = [f"arn:aws:iam::{B}:role/r{number}" for number in range(20_000)]
    for last, sentence in [
        (
            f"arn:aws:iam::{'7' * 12}:role/Admin",
            "the rule for role/Admin at m.yaml:20001:3 has the same name in another account",
        ),
        (f"arn:aws:iam::{A}:role/Zebra", "the only rule for this account has another name, and none is similar"),
        (
            f"arn:aws:iam::{A}:role/Adm1n",
            "did you mean role/Adm1n, at m.yaml:20001:3? It differs in one letter",
        ),
    ]:
        assert describe_with(rules, identities, [*far, last], session("Admin")) == sentence


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
def test_account_numbers_are_never_described(rules, identities, arns, caller):
    """No description contains an account number."""
    chosen = [rules.arn(arn, where=f"m.yaml:{line}:3") for line, arn in enumerate(arns, start=1)]
    sentence = describe_with(rules, identities, arns, caller) + build_table(chosen, {}).nearest(identities.of(caller))
    for secret in (A, B, "777788889999", "arn:"):
        assert secret not in sentence
