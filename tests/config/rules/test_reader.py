from __future__ import annotations

import pytest

from authd.config.document.problems import Problems
from authd.config.document.tree import reading_tree
from authd.config.rules.reader import RuleReader
from authd.core.arn import PrincipalArn, parse_arn
from authd.core.caller_identity import CallerIdentity
from authd.core.cooperative import finish
from authd.core.mapping.table import PermissionSet, RolePattern

ACCOUNT = "arn:aws:iam::111122223333"


def roles(*lines):
    return "clusterID: c\nserver:\n  mapRoles:\n" + "".join(f"  {line}\n" for line in lines)


def patterns(*lines):
    return roles(*lines) + "  rolePatterns: true\n"


def users(*lines):
    return roles(*lines).replace("mapRoles", "mapUsers")


@pytest.fixture
def identity():
    """Return the identity of a session of the role A."""
    text = "arn:aws:sts::111122223333:assumed-role/A/me"
    arn = parse_arn(text)
    return CallerIdentity(
        arn=arn, arn_text=text, canonical_arn=arn.canonical, key=arn.key, principal_id="AROA", access_key_id="ASIA"
    )


def rules_of(loaded):
    return list(loaded.table.exact.values())


def test_a_role_with_a_path_is_matched_without_it(load):
    """A rule for a role with a path matches by account and name."""
    (rule,) = rules_of(
        load(roles(f"- roleARN: {ACCOUNT}:role/a/b/C", "  username: u", "  groups: [g, 'h:{{AccountID}}']"))
    )
    assert isinstance(rule.subject, PrincipalArn)
    assert rule.subject.key == f"{ACCOUNT}:role/c"
    assert rule.username.text == "u"
    assert [group.text for group in rule.groups] == ["g", "h:{{AccountID}}"]
    assert rule.where == "f:4:5"


@pytest.mark.parametrize("groups", ["", "  groups:", "  groups: []"])
def test_groups_may_be_missing(load, groups):
    """A rule without groups gives none."""
    (rule,) = rules_of(load(users(f"- userARN: {ACCOUNT}:user/A", "  username: u", groups)))
    assert rule.groups == ()


def test_a_permission_set(load):
    """A permission set without a partition has the daemon's, even if that is set further down."""
    text = roles(
        "- sso: {permissionSetName: Admin, accountID: 000000000001}",
        "  username: u",
        "- SSO: {permissionsetname: Admin, accountid: '000000000001', partition: aws-us-gov}",
        "  username: u",
    )
    here, there = rules_of(load(text + "  partition: aws-cn\n"))
    assert here.subject == PermissionSet(partition="aws-cn", account="000000000001", name="Admin")
    assert there.subject == PermissionSet(partition="aws-us-gov", account="000000000001", name="Admin")


def test_a_pattern(load):
    """A role's ARN with wildcards in its name matches roles of that account."""
    loaded = load(patterns(f"- roleARN: {ACCOUNT}:role/Dev-*", "  username: u"))
    ((pattern, rule),) = loaded.table.patterns
    assert rule.subject == RolePattern(partition="aws", account="111122223333", name="Dev-*")
    assert pattern.fullmatch(f"{ACCOUNT}:role/dev-1")
    assert not pattern.fullmatch("arn:aws:iam::999999999999:role/dev-1")
    assert loaded.warnings == ()


def test_a_pattern_may_have_several_wildcards(load):
    """A pattern may have three asterisks and any number of question marks."""
    loaded = load(patterns(f"- roleARN: {ACCOUNT}:role/*-??-*-*", "  username: u"))
    assert len(loaded.table.patterns) == 1


def test_other_principals_under_map_users(load):
    """Users with a path, an account's root and federated users are accepted under mapUsers."""
    text = users(
        f"- {{userARN: '{ACCOUNT}:user/p/A', username: a}}",
        f"- {{userARN: '{ACCOUNT}:root', username: b}}",
        "- {userARN: 'arn:aws:sts::111122223333:federated-user/F', username: c}",
    )
    loaded = load(text)
    assert list(loaded.table.exact) == [
        f"{ACCOUNT}:user/p/a",
        f"{ACCOUNT}:root",
        "arn:aws:sts::111122223333:federated-user/f",
    ]
    assert loaded.warnings == ()


# fmt: off
#: Names that YAML 1.1 takes for booleans and numbers, in other spellings than those that aws-iam-authenticator gives.
RESPELLED = [
    "yes", "Off", "TRUE", "n", "017", "08", "0x1F", "0o7", "0b1", "1_000", "+5", "-0", "1.50", ".5", "1.", "1e3", "1.1E-5",
    ".inf", "-.INF", ".NaN",
]
# fmt: on
WARNED = {
    "user under mapRoles": (
        roles(f"- {{roleARN: '{ACCOUNT}:user/A', username: u}}"),
        15,
        "a user's ARN under mapRoles",
    ),
    "root under mapRoles": (roles(f"- {{roleARN: '{ACCOUNT}:root', username: u}}"), 15, "a root's ARN under mapRoles"),
    "role under mapUsers": (
        users(f"- {{userARN: '{ACCOUNT}:role/A', username: u}}"),
        15,
        "a role's ARN under mapUsers",
    ),
    "session": (
        roles("- {roleARN: 'arn:aws:sts::111122223333:assumed-role/A/me', username: u}"),
        15,
        "is read as its role",
    ),
    "any session": (
        roles("- {roleARN: 'arn:aws:sts::111122223333:assumed-role/A/*', username: u}"),
        15,
        "is read as its role",
    ),
    "a session without a name": (
        roles("- {roleARN: 'arn:aws:sts::111122223333:assumed-role/A/', username: u}"),
        15,
        "is read as its role",
    ),
    "another partition": (
        roles("- {roleARN: 'arn:aws-cn:iam::111122223333:role/A', username: u}"),
        5,
        "for the partition aws-cn, but the daemon's partition is aws, so it never matches",
    ),
    "a pattern of another partition": (
        patterns("- {roleARN: 'arn:aws-cn:iam::111122223333:role/A*', username: u}"),
        5,
        "so it never matches",
    ),
    "userId": (users(f"- {{userARN: '{ACCOUNT}:user/A', username: u, userid: AIDA}}"), 72, "userId has no effect"),
    "system user": (
        roles(f"- {{username: 'system:{{{{SessionName}}}}', roleARN: '{ACCOUNT}:role/A'}}"),
        16,
        "username: callers choose the name of their session",
    ),
    "system user, raw": (
        roles(f"- {{username: 'system:kube-{{{{SessionNameRaw}}}}', roleARN: '{ACCOUNT}:role/A'}}"),
        16,
        "callers choose",
    ),
    "system group": (
        roles(f"- {{groups: [a, 'system:{{{{SessionName}}}}'], username: u, roleARN: '{ACCOUNT}:role/A'}}"),
        18,
        "groups: callers choose the name of their session",
    ),
    "administrators by a wildcard": (
        patterns(f"- {{groups: [a, system:masters], username: u, roleARN: '{ACCOUNT}:role/A*'}}"),
        18,
        "system:masters by a wildcard",
    ),
    "a pattern for a whole account": (
        patterns(f"- {{username: u, roleARN: '{ACCOUNT}:role/?*'}}"),
        28,
        "covers the whole account 111122223333",
    ),
    "a path": (
        roles(f"- {{roleARN: '{ACCOUNT}:role/a/A', username: u}}"),
        15,
        "the role's path is left out",
    ),
    "no username": (users(f"- {{userARN: '{ACCOUNT}:user/A'}}"), 5, "the rule has no username: callers get"),
    "empty username": (roles(f"- {{username: '', roleARN: '{ACCOUNT}:role/A'}}"), 5, "the rule has no username"),
    "null username": (roles(f"- {{username: , roleARN: '{ACCOUNT}:role/A'}}"), 5, "the rule has no username"),
    "a reserved prefix": (
        roles(f"- {{roleARN: '{ACCOUNT}:role/A', username: 'eks:{{{{SessionName}}}}'}}")
        + "  reservedPrefixConfig: {backendMode: File, usernamePrefixReserveList: 'aws:,eks:'}\n",
        5,
        "begins with 'eks:', which reservedPrefixConfig reserves",
    ),
    **{
        f"name {name}": (
            roles(f"- {{username: {name}, roleARN: '{ACCOUNT}:role/A'}}"),
            16,
            f"username: {name} is the name here, but without quotes aws-iam-authenticator reads a boolean or a number",
        )
        for name in RESPELLED
    },
    "a group of a boolean": (
        roles(f"- {{username: u, groups: [a, on], roleARN: '{ACCOUNT}:role/A'}}"),
        31,
        "groups: on is the name here",
    ),
    "groups of a boolean": (
        roles(f"- {{username: u, groups: on, roleARN: '{ACCOUNT}:role/A'}}"),
        27,
        "groups: on is the name here",
    ),
    "a merge key below": (
        roles(f"- {{username: u, roleARN: '{ACCOUNT}:role/A', <<: {{username: v, groups: [g]}}}}"),
        64,
        "username above is in force here, but aws-iam-authenticator takes the merged one",
    ),
    "a group with a line break": (
        roles(f"- {{username: u, groups: \"a\\n\", roleARN: '{ACCOUNT}:role/A'}}"),
        27,
        "spaces and line breaks at the ends are left out here",
    ),
    "groups with spaces": (
        roles(f"- {{username: u, groups: 'a, b', roleARN: '{ACCOUNT}:role/A'}}"),
        27,
        "spaces around the commas",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "column", "message"), WARNED.values(), ids=WARNED)
def test_doubtful_rules_have_a_warning(load, text, column, message):
    """A rule that may work otherwise than intended is in force, with one warning."""
    loaded = load(text)
    (warning,) = loaded.warnings
    assert (warning.line, warning.column) == (4, column)
    assert message in warning.message
    assert len(loaded.table) == 1


@pytest.mark.parametrize(
    ("username", "group"),
    [
        ("'{{SessionName}}'", "system:masters"),
        ("'system:{{AccountID}}'", "'{{SessionName}}'"),
        ("'a-system:{{SessionName}}'", "'{{SessionNameRaw}}:a'"),
        ("1234", "1.5"),
        ("'yes'", "'017'"),
        ("oN", "2026-11-28"),
        ("-12.25", "1.2.3"),
        ("0", "12:30:45"),
    ],
)
def test_safe_rules_have_no_warning(load, username, group):
    """Names that callers can't turn into a system name have no warning."""
    assert load(roles(f"- roleARN: {ACCOUNT}:role/A", f"  username: {username}", f"  groups: [{group}]")).warnings == ()


REFUSED = {
    "a partition that AWS does not have": (
        roles("- {username: u, roleARN: 'arn:xx:iam::111122223333:role/A'}"), 28, "names the partition xx, which AWS does not",
    ),
    "rules in a text": (
        "clusterID: c\nserver:\n\n  mapRoles: |\n    - roleARN: x\n", 13, "it is a text: remove the | or the quotes",
    ),
    "no list": ("clusterID: c\nserver:\n\n  mapRoles: a", 13, "server.mapRoles must be a list"),
    "no ARN": (roles("- {username: u, roleARN: Admin}"), 28, "server.mapRoles.roleARN is not an ARN"),
    "no ARN of a user": (users("- {username: u, userARN: Alice}"), 28, "server.mapUsers.userARN is not an ARN"),
    "wildcard account": (patterns("- {username: u, roleARN: 'arn:aws:iam::*:role/A'}"), 28, "and could log in"),
    "wildcard partition": (patterns("- {username: u, roleARN: 'arn:*:iam::111122223333:role/A'}"), 28, "could log in"),
    "wildcard alone": (patterns("- {username: u, roleARN: '*'}"), 28, "is not an ARN"),
    "wildcard path": (patterns(f"- {{username: u, roleARN: '{ACCOUNT}:role/team/*'}}"), 28, "must not have a path"),
    "wildcard kind": (patterns(f"- {{username: u, roleARN: '{ACCOUNT}:user/A*'}}"), 28, "is not a role's ARN"),
    "wildcards many": (patterns(f"- {{username: u, roleARN: '{ACCOUNT}:role/*a*b*c*'}}"), 28, "more than 3 asterisks"),
    "wildcard letters": (patterns(f"- {{username: u, roleARN: '{ACCOUNT}:role/A b*'}}"), 28, "has a space inside"),
    "wildcard user": (
        users(f"- {{username: u, userARN: '{ACCOUNT}:user/*'}}") + "  rolePatterns: true\n", 28,
        "server.mapUsers.userARN must be one principal",
    ),
    "sso unknown": (
        roles("- {username: u, sso: {permissionSetName: a, accountID: '111122223333', account: x}}"), 74,
        "unknown setting server.mapRoles.sso.account: the settings here are permissionSetName, accountID, partition",
    ),
    "neither": (roles("- {username: u}"), 5, "the rule needs roleARN or sso"),
    "both": (
        roles(f"- {{username: u, roleARN: '{ACCOUNT}:role/A', sso: {{permissionSetName: A, accountID: '111122223333'}}}}"),
        69, "the rule has both roleARN and sso",
    ),
    "no rule": (roles("- a"), 5, "server.mapRoles must be a mapping"),
    "nothing": (users("-"), 4, "server.mapUsers must be a mapping"),
    "no list of users": ("clusterID: c\nserver:\n\n  mapUsers: a", 13, "server.mapUsers must be a list"),
    "no user": (users("- {username: u}"), 5, "server.mapUsers.userARN is missing"),
    "long username": (roles(f"- {{username: {'x' * 1025}, roleARN: '{ACCOUNT}:role/A'}}"), 16, "username must have"),
    "control character": (roles(f'- {{username: "a\\nb", roleARN: "{ACCOUNT}:role/A"}}'), 16, "must not have control"),
    "bidi override": (roles(f'- {{username: "a\\u202eb", roleARN: "{ACCOUNT}:role/A"}}'), 16, "must not have control"),
    "unknown placeholder": (
        roles(f"- {{username: '{{{{SesionName}}}}', roleARN: '{ACCOUNT}:role/A'}}"), 16, "did you mean {{SessionName}}?",
    ),
    "odd braces": (roles(f"- {{username: '{{{{SessionName', roleARN: '{ACCOUNT}:role/A'}}"), 16, "braces don't match"),
    "group a mapping": (
        roles(f"- {{username: u, groups: [{{a: b}}], roleARN: '{ACCOUNT}:role/A'}}"), 28,
        "groups must be a single value, not a mapping",
    ),
    "key of the other list": (
        users(f"- {{username: u, userARN: '{ACCOUNT}:user/A', roleARN: x}}"), 64,
        "unknown setting server.mapUsers.roleARN: move it under server.mapRoles",
    ),
    "sso text": (roles("- {username: u, sso: Admin}"), 24, "server.mapRoles.sso must be a mapping"),
    "sso name": (
        roles("- {username: u, sso: {permissionSetName: 'a b', accountID: '111122223333'}}"), 44,
        "server.mapRoles.sso.permissionSetName must be a permission set's name",
    ),
    "sso long name": (
        roles(f"- {{username: u, sso: {{permissionSetName: {'a' * 33}, accountID: '111122223333'}}}}"), 44, "must be",
    ),
    "sso wildcard": (
        roles("- {username: u, sso: {permissionSetName: 'a*', accountID: '111122223333'}}"), 44, "must be",
    ),
    "sso no name": (roles("- {username: u, sso: {accountID: '111122223333'}}"), 24, "permissionSetName is missing"),
    "sso no account": (roles("- {username: u, sso: {permissionSetName: a}}"), 24, "accountID is missing"),
    "sso account": (
        roles("- {username: u, sso: {permissionSetName: a, accountID: '*'}}"), 58, "must be an AWS account's number",
    ),
    "sso partition": (
        roles("- {username: u, sso: {permissionSetName: a, accountID: '111122223333', partition: x}}"), 85,
        "server.mapRoles.sso.partition must be aws",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "column", "message"), REFUSED.values(), ids=REFUSED)
def test_wrong_rules_are_refused(refuse, text, column, message):
    """Each fault of a rule is one error at its place."""
    (problem,) = refuse(text)
    assert (problem.line, problem.column) == (4, column)
    assert message in problem.message


def test_the_later_of_two_rules_wins(load):
    """The later of two rules for one principal is in force, and a warning names both lines."""
    subjects = [
        f"roleARN: '{ACCOUNT}:role/A'",
        f"roleARN: '{ACCOUNT}:role/path/a'",
        "sso: {permissionSetName: S, accountID: '111122223333'}",
        "sso: {permissionSetName: s, accountID: '111122223333', partition: aws}",
        f"roleARN: '{ACCOUNT}:role/P*'",
        f"roleARN: '{ACCOUNT}:role/p*'",
    ]
    loaded = load(patterns(*(f"- {{username: u{number}, {subject}}}" for number, subject in enumerate(subjects))))
    table = loaded.table
    in_force = [rule.username.text for rule in (*table.exact.values(), *(rule for _, rule in table.patterns))]
    assert in_force == ["u1", "u3", "u5"]
    warnings = [warning for warning in loaded.warnings if "path" not in warning.message]
    assert [(warning.line, warning.message.split(":")[0]) for warning in warnings] == [
        (5, "the same role or user is mapped in line 4 already"),
        (7, "the same role or user is mapped in line 6 already"),
        (9, "the same role or user is mapped in line 8 already"),
    ]


@pytest.mark.parametrize("order", [("mapRoles", "mapUsers"), ("mapUsers", "mapRoles")])
def test_map_roles_has_precedence(load, order):
    """For an ARN under both mapRoles and mapUsers, mapRoles has precedence."""
    entries = {
        "mapRoles": f"  mapRoles: [{{username: by-role, roleARN: '{ACCOUNT}:user/A'}}]\n",
        "mapUsers": f"  mapUsers: [{{username: by-user, userARN: '{ACCOUNT}:user/A'}}]\n",
    }
    loaded = load("clusterID: c\nserver:\n" + "".join(entries[name] for name in order))
    (rule,) = rules_of(loaded)
    assert rule.username.text == "by-role"
    assert any("mapped in line" in warning.message for warning in loaded.warnings)


def test_a_broken_rule_does_not_hide_the_next(refuse):
    """Each rule is checked, even after broken ones."""
    problems = refuse(roles("- *a", "- b", f"- {{roleARN: '{ACCOUNT}:role/A', username: {{{{SessionName}}}}}}", "- {}"))
    assert [problem.line for problem in problems] == [4, 5, 6, 7]


def test_options_can_not_add_rules(refuse):
    """A command line option can't add rules."""
    problems = refuse("clusterID: c", server__mapRoles="a,b", server__mapUsers="c")
    assert [problem.file for problem in problems] == ["--map-users", "--map-roles"]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ("a", ["a"]),
        ("'a,b'", ["a", "b"]),
        ("system:masters", ["system:masters"]),
        ("[~, '', a]", ["a"]),
        ("~", []),
        ("''", []),
    ],
)
def test_groups_in_one_text(load, groups, expected):
    """A text is split at its commas, and nulls and empty texts are dropped."""
    (rule,) = rules_of(load(roles(f"- {{roleARN: '{ACCOUNT}:role/A', username: u, groups: {groups}}}")))
    assert [group.text for group in rule.groups] == expected


def test_a_single_user(load):
    """A single mapping under mapUsers is a list of one."""
    assert len(load(f"clusterID: c\nserver: {{mapUsers: {{userARN: '{ACCOUNT}:user/A', username: u}}}}").table) == 1


@pytest.mark.parametrize(
    "sso", ["{}", "{permissionSetName: , accountID: ''}", "{permissionSetName: null, partition: ~}"]
)
def test_an_empty_sso_beside_an_arn_is_absent(load, identity, sso):
    """A permission set without any value, as charts write it, leaves the rule to its ARN."""
    table = load(roles(f"- {{roleARN: '{ACCOUNT}:role/A', sso: {sso}, username: u}}")).table
    assert table.lookup(identity).username == "u"


@pytest.mark.parametrize("lists", ["mapRoles: {R}", "mapRoles: [{R}]", "mapRoles: {{sso: ~, userid: '', {R}}}"])
def test_nulls_in_rules_and_single_rules(load, lists):
    """A null counts as absent, and a single mapping is a list of one."""
    rule = f"roleARN: '{ACCOUNT}:role/A', username: u"
    text = lists.replace("{{", "{").replace("}}", "}").replace("{R}", rule if "sso" in lists else f"{{{rule}}}")
    loaded = load(f"clusterID: c\nserver: {{{text}}}")
    assert len(loaded.table) == 1
    assert loaded.warnings == ()


def test_a_rule_without_a_username(load, identity):
    """Callers of a rule without a user name get their canonical ARN."""
    table = load(roles(f"- roleARN: {ACCOUNT}:role/A")).table
    assert table.lookup(identity).username == f"{ACCOUNT}:role/A"


@pytest.mark.parametrize(
    "arn",
    [f"{ACCOUNT}:role/Dev-*", f"{ACCOUNT}:role/team/*", "arn:aws:iam::*:role/A", "arn:*:iam::111122223333:role/A",
     f"{ACCOUNT}:role/*", f"{ACCOUNT}:user/*", f"{ACCOUNT}:role/?"],
)  # fmt: skip
def test_wildcards_are_literal(load, identity, arn):
    """Without server.rolePatterns, wildcards are literal characters, so the rule matches nobody and has a warning."""
    loaded = load(roles(f"- {{roleARN: '{arn}', username: u, groups: [system:masters]}}"))
    assert loaded.table.find(identity) is None
    assert "server.rolePatterns: true" in loaded.warnings[1].message
    assert "nobody can log in" in loaded.warnings[0].message


def test_a_wildcard_for_users_is_literal(load):
    """A wildcard in a user's ARN matches nobody. The warning doesn't suggest rolePatterns, which wouldn't help."""
    (_, warning) = load(users(f"- {{userARN: '{ACCOUNT}:user/*', username: u}}")).warnings
    assert "write a rule for each principal" in warning.message


def test_the_same_user_name_for_different_principals(load):
    """A user name of several principals is one warning. Names with placeholders don't count."""
    rule = "- {{roleARN: '" + ACCOUNT + ":role/{0}', username: '{1}'}}"
    names = ["admin", "admin", "admin", "{{SessionName}}", "{{SessionName}}", "b"]
    (warning,) = load(roles(*(rule.format(f"R{number}", name) for number, name in enumerate(names)))).warnings
    assert (warning.line, warning.column) == (5, 5)
    assert "the rule in line 4 gives another principal the same user name, admin, and 1 more rules" in warning.message


def test_places_outside_files(partitions):
    """Rules of a source that is not a file have places of that source."""
    problems = Problems("configmap kube-system/aws-auth mapRoles")
    reader = RuleReader(problems, partitions, path="")
    tree = finish(reading_tree(f"\n\n  - rolearn: {ACCOUNT}:role/A\n    username: a\n  - rolearn: x\n", problems, {}))
    for node in tree.nodes:
        reader.add_role(node)
    (rule,) = finish(reader.choosing("aws", patterns=False))
    assert rule.where == "configmap kube-system/aws-auth mapRoles:3:5"
    assert [str(problem).partition(" is")[0] for problem in problems.errors()] == [
        "configmap kube-system/aws-auth mapRoles:5:14: mapRoles.roleARN"
    ]


@pytest.mark.parametrize(
    "arn",
    [
        "ARN:AWS:IAM::111122223333:ROLE/A",
        "arn:aws:iam::111122223333:Role/a",
        "arn:aws:STS::111122223333:Assumed-Role/A/me",
        "arn:aws:sts::111122223333:assumed-role/A/*",
        "arn:aws:sts::111122223333:assumed-role/A/m?",
        "arn:aws:sts::111122223333:assumed-role/A/",
    ],
)
@pytest.mark.parametrize("settings", [roles, users])
def test_spellings_of_a_role(load, identity, arn, settings):
    """The fixed words of an ARN may have any case, and the name of a session does not count."""
    kind = "roleARN" if settings is roles else "userARN"
    table = load(settings(f"- {{{kind}: '{arn}', username: u}}")).table
    assert table.lookup(identity).username == "u"


def test_a_wildcard_in_place_of_a_role_is_no_session(load, identity):
    """The wildcard of a session's ARN does not stand for roles."""
    table = load(roles("- {roleARN: 'arn:aws:sts::111122223333:assumed-role/*/me', username: u}")).table
    assert table.find(identity) is None


def test_letters_outside_ascii_are_no_spelling(refuse):
    """A letter whose lower case is in ASCII, such as the sign for kelvin, is not one of an ARN's."""
    (problem,) = refuse(roles("- {roleARN: 'arn:aws:iam::111122223333:user/\u212a', username: u}"))
    assert "which IAM does not allow there" in problem.message
