from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.core.errors import DenialReason, Denied
from authd.core.kubernetes_user import KubernetesUser
from authd.core.mapping.reserved import ReservedPrefixes
from authd.core.mapping.table import RULES_PER_STEP, MappingTable, build_table, building_table

A, B = "111122223333", "444455556666"


def session(role, account=A, name="me@x.org", partition="aws"):
    return f"arn:{partition}:sts::{account}:assumed-role/{role}/{name}"


def not_mapped(table, identity):
    with pytest.raises(Denied) as caught:
        table.lookup(identity)
    assert caught.value.reason is DenialReason.IDENTITY_NOT_MAPPED
    assert caught.value.message == f"no mapping matches: {table.nearest(identity)}"
    return caught.value.message


MATCHES = [
    # the rule's ARN, the caller's ARN
    (f"arn:aws:iam::{A}:role/Admin", session("Admin")),
    (f"arn:aws:iam::{A}:role/Admin", session("ADMIN")),
    (f"arn:aws:iam::{A}:role/aDmIn", session("Admin")),
    (f"arn:aws:iam::{A}:role/some/path/Admin", session("Admin")),
    (session("Admin", name="you"), session("Admin")),
    (f"arn:aws:iam::{A}:user/Alice", f"arn:aws:iam::{A}:user/alice"),
    (f"arn:aws:iam::{A}:user/dev/Alice", f"arn:aws:iam::{A}:user/dev/Alice"),
    (f"arn:aws:iam::{A}:root", f"arn:aws:iam::{A}:root"),
    (f"arn:aws:sts::{A}:federated-user/Bob", f"arn:aws:sts::{A}:federated-user/Bob"),
    (f"arn:aws:iam::{A}:role/Adm*", session("Admin")),
    (f"arn:aws:iam::{A}:role/Adm*", session("Adm")),
    (f"arn:aws:iam::{A}:role/*", session("Admin")),
    (f"arn:aws:iam::{A}:role/*min", session("Admin")),
    (f"arn:aws:iam::{A}:role/A*m*n", session("Admin")),
    (f"arn:aws:iam::{A}:role/A*i*i*n", session("Admiiiin")),
    (f"arn:aws:iam::{A}:role/A?min", session("Admin")),
    (f"arn:aws:iam::{A}:role/?????", session("Admin")),
    (f"arn:aws:iam::{A}:role/**", session("A")),
    (f"arn:aws:iam::{A}:role/ADMIN-*", session("admin-x")),
    (f"arn:aws:iam::{A}:role/a.b+*", session("a.b+c")),
    (f"arn:aws:iam::{A}:role/*-x-*-y", session("a-x-x-y-y")),
    (f"arn:aws:iam::{A}:role/*ab?", session("ababc")),
]


@pytest.mark.parametrize(("rule", "caller"), MATCHES)
def test_a_rule_matches(rules, identities, rule, caller):
    """ARNs match by their canonical form, ignoring case, and wildcards as documented."""
    table = build_table([rules.arn(rule, "u", ["g"])], {})
    assert table.lookup(identities.of(caller)) == KubernetesUser(username="u", groups=("g",), rule="m.yaml:1:1")


MISMATCHES = [
    (f"arn:aws:iam::{A}:role/Admin", session("Admin", B)),
    (f"arn:aws:iam::{A}:role/Admin", session("Admin2")),
    (f"arn:aws:iam::{A}:role/Admin", session("Admi")),
    (f"arn:aws:iam::{A}:role/Admin", session("Other", name="Admin")),
    (f"arn:aws:iam::{A}:role/Admin", session("Admin", partition="aws-cn")),
    (f"arn:aws:iam::{A}:role/Admin", f"arn:aws:iam::{A}:user/Admin"),
    (f"arn:aws:iam::{A}:role/Admin", f"arn:aws:sts::{A}:federated-user/Admin"),
    (f"arn:aws:iam::{A}:user/Alice", session("Alice")),
    (f"arn:aws:iam::{A}:user/dev/Alice", f"arn:aws:iam::{A}:user/Alice"),
    (f"arn:aws:iam::{A}:user/Alice", f"arn:aws:iam::{A}:user/dev/Alice"),
    (f"arn:aws:iam::{A}:user/Alice", f"arn:aws:sts::{A}:federated-user/Alice"),
    (f"arn:aws:iam::{A}:root", f"arn:aws:iam::{B}:root"),
    (f"arn:aws:iam::{A}:root", f"arn:aws:iam::{A}:user/root"),
    (f"arn:aws:iam::{A}:role/Adm*", session("Admin", B)),
    (f"arn:aws:iam::{A}:role/Adm*", session("XAdmin")),
    (f"arn:aws:iam::{A}:role/*min", session("Admin2")),
    (f"arn:aws:iam::{A}:role/*min", session("Other", name="Admin")),
    (f"arn:aws:iam::{A}:role/*", f"arn:aws:iam::{A}:user/Admin"),
    (f"arn:aws:iam::{A}:role/*", f"arn:aws:iam::{A}:root"),
    (f"arn:aws:iam::{A}:role/*", f"arn:aws:iam::{A}:user/role/Admin"),
    (f"arn:aws:iam::{A}:role/*", session("Admin", partition="aws-cn")),
    (f"arn:aws:iam::{A}:role/A?min", session("Amin")),
    (f"arn:aws:iam::{A}:role/A?min", session("Addmin")),
    (f"arn:aws:iam::{A}:role/????", session("Admin")),
    (f"arn:aws:iam::{A}:role/a.*", session("abc")),
    (f"arn:aws:iam::{A}:role/a+*", session("aaa")),
    (f"arn:aws:iam::{A}:role/A*x*n", session("Admin")),
    (f"arn:aws:iam::{A}:role/*ab*ab*", session("xabx")),
]


@pytest.mark.parametrize(("rule", "caller"), MISMATCHES)
def test_a_rule_does_not_match(rules, identities, rule, caller):
    """A caller of another account, partition, kind, path or name does not match."""
    table = build_table([rules.arn(rule)], {})
    not_mapped(table, identities.of(caller))


HEX = "0123456789abcdef"


@pytest.mark.parametrize("role", [f"AWSReservedSSO_Admin_{HEX}", f"awsreservedsso_ADMIN_{HEX.upper()}"])
def test_a_permission_sets_roles_match(rules, identities, role):
    """A permission set matches the roles that Identity Center creates for it."""
    table = build_table([rules.sso("Admin")], {})
    assert table.lookup(identities.of(session(role))).username == "user"


@pytest.mark.parametrize("account", [A, B, "098765432109"])
@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "az-09"])
def test_permission_sets_of_any_account_and_partition(rules, identities, account, partition):
    """A permission set matches its roles in every account and partition."""
    table = build_table([rules.sso("Admin", account=account, partition=partition)], {})
    caller = session(f"AWSReservedSSO_Admin_{HEX}", account, partition=partition)
    assert table.lookup(identities.of(caller)).username == "user"


@pytest.mark.parametrize(
    ("name", "role", "account", "partition"),
    [
        ("Admin", f"AWSReservedSSO_Admin_Extra_{HEX}", A, "aws"),
        ("Admin_Extra", f"AWSReservedSSO_Admin_{HEX}", A, "aws"),
        ("Admin", f"AWSReservedSSO_Admin{HEX}", A, "aws"),
        ("Admin", f"AWSReservedSSO_XAdmin_{HEX}", A, "aws"),
        ("Admin", f"AWSReservedSSO__Admin_{HEX}", A, "aws"),
        ("Admin", f"AWSReservedSSO_Admin__{HEX}", A, "aws"),
        ("Admin", f"AWSReservedSSO_Admin_{HEX}0", A, "aws"),
        ("Admin", f"AWSReservedSSO_Admin_{HEX[1:]}", A, "aws"),
        ("Admin", f"AWSReservedSSO_Admin_{HEX[1:]}g", A, "aws"),
        ("Admin", f"AWSReservedSSO_Admin_{HEX}_{HEX}", A, "aws"),
        ("Admin", "AWSReservedSSO_Admin_", A, "aws"),
        ("Admin", "AWSReservedSSO_Admin", A, "aws"),
        ("Admin", f"XAWSReservedSSO_Admin_{HEX}", A, "aws"),
        ("Admin", f"AWSReservedSSO-Admin_{HEX}", A, "aws"),
        ("Admin", f"Admin_{HEX}", A, "aws"),
        ("Ad.in", f"AWSReservedSSO_Admin_{HEX}", A, "aws"),
        ("Admin", f"AWSReservedSSO_Admin_{HEX}", B, "aws"),
        ("Admin", f"AWSReservedSSO_Admin_{HEX}", A, "aws-cn"),
    ],
)
def test_other_roles_do_not_match_a_permission_set(*, rules, identities, name, role, account, partition):
    """A longer name, other digits, another account or another partition does not match."""
    table = build_table([rules.sso(name)], {})
    not_mapped(table, identities.of(session(role, account, partition=partition)))


def test_each_of_the_sixteen_digits_is_hexadecimal(rules, identities):
    """Each of the 16 places matches a hex digit in either case, and no other character of a role's name."""
    table = build_table([rules.sso("Admin")], {})
    names = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-"
    for place in range(16):
        for character in names:
            digits = HEX[:place] + character + HEX[place + 1 :]
            identity = identities.of(session(f"AWSReservedSSO_Admin_{digits}"))
            if character in "0123456789abcdefABCDEF":
                assert table.lookup(identity).username == "user"
            else:
                not_mapped(table, identity)


def test_a_user_named_like_a_permission_sets_role_is_a_user(rules, identities):
    """A permission set matches no user, whatever the user's name."""
    table = build_table([rules.sso("Admin")], {})
    not_mapped(table, identities.of(f"arn:aws:iam::{A}:user/AWSReservedSSO_Admin_{HEX}"))
    not_mapped(table, identities.of(f"arn:aws:iam::{A}:user/role/AWSReservedSSO_Admin_{HEX}"))


def test_an_exact_role_is_no_permission_set(rules, identities):
    """A rule for a role named like a set's roles without the hex digits matches only this role."""
    table = build_table([rules.arn(f"arn:aws:iam::{A}:role/AWSReservedSSO_Admin_", "exact")], {})
    not_mapped(table, identities.of(session(f"AWSReservedSSO_Admin_{HEX}")))
    assert table.lookup(identities.of(session("AWSReservedSSO_Admin_"))).username == "exact"


def test_the_same_name_in_two_accounts_is_two_roles(rules, identities):
    """Roles of the same name in two accounts have separate rules."""
    table = build_table(
        [rules.arn(f"arn:aws:iam::{A}:role/Admin", "a"), rules.arn(f"arn:aws:iam::{B}:role/Admin", "b")], {}
    )
    assert table.lookup(identities.of(session("Admin", A))).username == "a"
    assert table.lookup(identities.of(session("Admin", B))).username == "b"


def test_order_of_precedence(rules, identities):
    """Exact rules come first, then patterns in the file's order, then accounts."""
    exact = rules.arn(f"arn:aws:iam::{A}:role/Admin", "exact")
    sso = rules.sso("Admin", username="sso")
    any_role, sso_pattern = (
        rules.arn(f"arn:aws:iam::{A}:role/*", "any"),
        rules.arn(f"arn:aws:iam::{A}:role/AWS*", "aws"),
    )
    table = build_table([any_role, sso_pattern, exact, sso], {A: "m.yaml:9:5"})
    assert table.lookup(identities.of(session("Admin"))).username == "exact"
    assert table.lookup(identities.of(session(f"AWSReservedSSO_Admin_{HEX}"))).username == "sso"
    assert table.lookup(identities.of(session(f"AWSReservedSSO_Other_{HEX}"))).username == "any"
    assert build_table([sso_pattern, any_role], {}).lookup(identities.of(session("AWSx"))).username == "aws"
    user = identities.of(f"arn:aws:iam::{A}:user/dev/Alice")
    assert table.lookup(user) == KubernetesUser(username=user.canonical_arn, groups=(), rule="m.yaml:9:5")
    assert len(table) == 5


def test_the_exact_role_comes_before_its_permission_set(rules, identities):
    """A rule for one role of a permission set wins over the set's."""
    role = f"AWSReservedSSO_Admin_{HEX}"
    both = [rules.sso("Admin", username="sso"), rules.arn(f"arn:aws:iam::{A}:role/{role}", "exact")]
    for chosen in (both, both[::-1]):
        assert build_table(chosen, {}).lookup(identities.of(session(role))).username == "exact"


def test_the_later_of_two_rules_for_one_principal_wins(rules, identities):
    """Of two rules for the same principal, in whatever spelling, the later one is in force."""
    first, second = rules.arn(f"arn:aws:iam::{A}:role/Admin", "1"), rules.arn(f"arn:aws:iam::{A}:role/x/ADMIN", "2")
    assert build_table([first, second], {}).lookup(identities.of(session("Admin"))).username == "2"
    assert build_table([second, first], {}).lookup(identities.of(session("Admin"))).username == "1"
    assert len(build_table([first, second], {})) == 1


def test_names_are_rendered_from_the_identity(rules, identities):
    """Templates of user name and groups are filled in. A caller of a mapped account keeps the case of the ARN."""
    rule = rules.arn(f"arn:aws:iam::{A}:role/Admin", "{{AccountID}}:{{SessionNameRaw}}", ["g:{{SessionName}}", "h"])
    user = build_table([rule], {}).lookup(identities.of(session("Admin")))
    assert (user.username, user.groups) == (f"{A}:me@x.org", ("g:me-x.org", "h"))
    table = build_table([], {A: "m.yaml:2:3"})
    assert table.lookup(identities.of(session("Admin"))).username == f"arn:aws:iam::{A}:role/Admin"


@pytest.mark.parametrize(("username", "groups"), [("x:{{SessionName}}", []), ("x", ["{{SessionNameRaw}}"])])
def test_a_name_that_can_not_be_rendered_is_refused(rules, identities, username, groups):
    """A user has no session name, so a rule that needs one refuses the user. The message has its place."""
    rule = rules.arn(f"arn:aws:iam::{A}:user/Alice", username, groups, where="m.yaml:7:3")
    with pytest.raises(Denied) as caught:
        build_table([rule], {A: "m.yaml:9:5"}).lookup(identities.of(f"arn:aws:iam::{A}:user/Alice"))
    assert caught.value.reason is DenialReason.USERNAME_NOT_RENDERED
    assert caught.value.message.startswith("the mapping at m.yaml:7:3: the identity has no value for {{SessionName")
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("username", "caller"),
    [
        ("eks:admin", session("Admin")),
        ("{{SessionName}}", session("Admin", name="eks-admin")),
        ("eks:", session("Admin")),
        (None, session("Other")),
    ],
)
def test_reserved_prefixes_are_refused(rules, identities, username, caller):
    """A user name with a reserved prefix is refused, whether literal, rendered or of a mapped account."""
    chosen = [rules.arn(f"arn:aws:iam::{A}:role/Admin", username, where="m.yaml:7:3")] if username else []
    table = build_table(chosen, {A: "m.yaml:7:3"}, ReservedPrefixes(usernames=("aws:", "eks:", "eks-", "arn:")))
    prefix = {"eks": "eks:", "arn": "arn:"}.get((username or "arn:")[:3], "eks-")
    with pytest.raises(Denied) as caught:
        table.lookup(identities.of(caller))
    assert caught.value.reason is DenialReason.USERNAME_RESERVED
    assert caught.value.message == f"the mapping at m.yaml:7:3 gives a user name with the reserved prefix {prefix!r}"


@pytest.mark.parametrize(
    ("username", "groups", "allowed"),
    [
        ("{{SessionName}}:kube-scheduler", (), False),
        ("{{SessionNameRaw}}:masters", (), False),
        ("u", ("{{SessionName}}:masters",), False),
        ("u", ("system:{{SessionName}}",), False),
        ("system:{{SessionNameRaw}}", (), False),
        ("system:kube-{{SessionName}}", (), False),
        ("system:{{AccountID}}:{{SessionName}}", (), False),
        ("system:node:{{SessionName}}", ("system:x:{{SessionName}}", "system:{{AccountID}}"), True),
        ("x{{SessionName}}:masters", ("a-{{SessionName}}:masters",), True),
    ],
)
def test_system_names_are_not_the_callers_choice(rules, identities, username, groups, allowed):
    """Only the rule's own text may give the prefix `system:`, and no session name may choose the name after it."""
    role = f"arn:aws:iam::{A}:role/Admin"
    table = build_table([rules.arn(role, username, groups=groups, where="m.yaml:7:3")], {})
    caller = identities.of(f"arn:aws:sts::{A}:assumed-role/Admin/system")
    if allowed:
        assert table.lookup(caller).rule == "m.yaml:7:3"
        return
    with pytest.raises(Denied, match=r"m\.yaml:7:3 .* (with the prefix|name that begins with) 'system:'") as caught:
        table.lookup(caller)
    assert caught.value.reason is DenialReason.USERNAME_RESERVED


@pytest.mark.parametrize(
    ("groups", "prefix"),
    [(("a", "eks:x"), "eks:"), (("{{SessionName}}",), "eks-"), (("a",), None), (("x-eks:a", "EKS:b"), None)],
)
def test_reserved_prefixes_of_groups(rules, identities, groups, prefix):
    """A group with a reserved prefix is refused, whether literal or rendered. User names have separate prefixes."""
    chosen = [rules.arn(f"arn:aws:iam::{A}:role/Admin", "eks:admin", groups, where="m.yaml:7:3")]
    table = build_table(chosen, {}, ReservedPrefixes(usernames=("aws:",), groups=("aws:", "eks:", "eks-")))
    caller = identities.of(session("Admin", name="eks-admin"))
    if prefix is None:
        assert table.lookup(caller).groups == groups
        return
    with pytest.raises(Denied) as caught:
        table.lookup(caller)
    assert caught.value.reason is DenialReason.USERNAME_RESERVED
    assert caught.value.message == f"the mapping at m.yaml:7:3 gives a group with the reserved prefix {prefix!r}"


def test_only_prefixes_are_refused(rules, identities):
    """Reserved text in the middle of a name, or in another case, is accepted."""
    chosen = [rules.arn(f"arn:aws:iam::{A}:role/Admin", "x-eks:admin"), rules.arn(f"arn:aws:iam::{A}:role/B", "EKS:b")]
    table = build_table(chosen, {}, ReservedPrefixes(usernames=("eks:",), groups=("eks:",)))
    assert table.lookup(identities.of(session("Admin"))).username == "x-eks:admin"
    assert table.lookup(identities.of(session("B"))).username == "EKS:b"


def test_reserved_prefixes_as_text():
    """The text names the kinds of names that have prefixes."""
    assert str(ReservedPrefixes(usernames=("a:", "b:"), groups=("g:",))) == "user names 'a:', 'b:'; groups 'g:'"
    assert str(ReservedPrefixes(groups=("g:",))) == "groups 'g:'"
    assert str(ReservedPrefixes()) == ""


def test_a_table_is_built_in_steps(rules):
    """The builder yields after every fifty rules, and all rules keep their order."""
    assert RULES_PER_STEP == 50
    many = [rules.arn(f"arn:aws:iam::{A}:role/r{number}*", f"u{number}") for number in range(RULES_PER_STEP * 2 + 1)]
    steps = building_table(many, {})
    assert [next(steps), next(steps)] == [None, None]
    with pytest.raises(StopIteration) as done:
        next(steps)
    assert [rule for _, rule in done.value.value.patterns] == many
    assert list(building_table(many[:49], {})) == []
    assert list(building_table(many[:50], {})) == [None]


def test_a_table_can_not_be_changed(rules):
    """A later change to the arguments does not change the table."""
    accounts = {A: "m.yaml:1:1"}
    table = build_table([rules.arn(f"arn:aws:iam::{A}:role/Admin"), rules.arn(f"arn:aws:iam::{A}:role/A*")], accounts)
    accounts.clear()
    assert len(table) == 3
    assert isinstance(table.patterns, tuple)
    for mapping in (table.exact, table.accounts, MappingTable(exact={}).accounts):
        with pytest.raises(TypeError):
            mapping["x"] = 1


def test_many_asterisks_do_not_backtrack(rules, identities):
    """A name that almost matches a pattern with many asterisks is refused without backtracking."""
    pattern = "*a" * 31 + "*b"
    table = build_table([rules.arn(f"arn:aws:iam::{A}:role/{pattern}")], {})
    not_mapped(table, identities.of(session("a" * 64)))
    assert table.lookup(identities.of(session("a" * 31 + "b")))


NAMES = st.text(alphabet="aAbB*?.+_", min_size=1, max_size=10)


def glob(pattern, name):
    """Match by the definition of the wildcards: `*` is any characters, `?` any one."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return glob(pattern[1:], name) or (bool(name) and glob(pattern, name[1:]))
    return bool(name) and pattern[0] in ("?", name[0]) and glob(pattern[1:], name[1:])


@given(pattern=NAMES, name=st.text(alphabet="aAbB.+_", min_size=1, max_size=10))
def test_wildcards_match_by_definition(rules, identities, pattern, name):
    """A pattern matches exactly the names that the definition of its wildcards matches."""
    table = build_table([rules.arn(f"arn:aws:iam::{A}:role/{pattern}*")], {})
    expected = glob(pattern.lower() + "*", name.lower())
    try:
        table.lookup(identities.of(session(name)))
    except Denied:
        assert not expected
    else:
        assert expected


SUBJECTS = st.sampled_from(
    [f"arn:aws:iam::{A}:role/a", f"arn:aws:iam::{B}:role/a", f"arn:aws:iam::{A}:role/b", f"arn:aws:iam::{A}:role/*",
     f"arn:aws:iam::{A}:role/a*", f"arn:aws:iam::{A}:user/a", f"arn:aws:iam::{A}:root"]
)  # fmt: skip
CALLERS = st.sampled_from([session("a"), session("a", B), session("b"), session("ab"), f"arn:aws:iam::{A}:user/a"])


@given(subjects=st.lists(SUBJECTS, max_size=6), accounts=st.sets(st.sampled_from([A, B])), caller=CALLERS)
def test_a_lookup_is_deterministic(rules, identities, subjects, accounts, caller):
    """The same rules give the same user, by the documented precedence."""
    chosen = [rules.arn(subject, f"u{place}", where=str(place)) for place, subject in enumerate(subjects)]
    identity = identities.of(caller)

    def outcome(table):
        try:
            return table.lookup(identity).rule
        except Denied as error:
            return error.message

    seen = outcome(build_table(chosen, dict.fromkeys(accounts, "account")))
    assert seen == outcome(build_table(chosen, dict.fromkeys(sorted(accounts, reverse=True), "account")))
    exact = [str(place) for place, subject in enumerate(subjects) if subject == identity.canonical_arn]
    wild = [
        str(place) for place, subject in enumerate(subjects) if "*" in subject and glob(subject, identity.canonical_arn)
    ]
    if exact:
        assert seen == exact[-1]
    elif wild:
        assert seen == wild[0]
    elif identity.arn.account in accounts:
        assert seen == "account"
    else:
        assert seen.startswith("no mapping matches: ")
