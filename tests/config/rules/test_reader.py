from __future__ import annotations

import pytest

from authd.core.arn import PrincipalArn
from authd.core.mapping import PermissionSet, RolePattern

ACCOUNT = "arn:aws:iam::111122223333"


def roles(*lines):
    return "clusterID: c\nserver:\n  mapRoles:\n" + "".join(f"  {line}\n" for line in lines)


def users(*lines):
    return roles(*lines).replace("mapRoles", "mapUsers")


def rules_of(loaded):
    return list(loaded.table.exact.values())


def test_a_role_with_a_path_is_matched_without_it(load):
    """A role's rule is found by account and name whatever its path, and says where it is written."""
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
    """A permission set is matched in the daemon's partition where it names none, wherever that is written."""
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
    """A role's ARN with wildcards in its name is a pattern for roles of that account."""
    loaded = load(roles(f"- roleARN: {ACCOUNT}:role/Dev-*", "  username: u"))
    ((pattern, rule),) = loaded.table.patterns
    assert rule.subject == RolePattern(partition="aws", account="111122223333", name="Dev-*")
    assert pattern.fullmatch(f"{ACCOUNT}:role/dev-1")
    assert not pattern.fullmatch("arn:aws:iam::999999999999:role/dev-1")
    assert loaded.warnings == ()


def test_a_pattern_may_have_several_wildcards(load):
    """Three asterisks and any number of question marks are a pattern."""
    loaded = load(roles(f"- roleARN: {ACCOUNT}:role/*-??-*-*", "  username: u"))
    assert len(loaded.table.patterns) == 1


def test_other_principals_under_map_users(load):
    """Under mapUsers users with a path, an account's root and federated users are as they are."""
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


WARNED = {
    "user under mapRoles": (roles(f"- {{roleARN: '{ACCOUNT}:user/A', username: u}}"), 15, "a user's ARN under mapRoles"),
    "root under mapRoles": (roles(f"- {{roleARN: '{ACCOUNT}:root', username: u}}"), 15, "a root's ARN under mapRoles"),
    "role under mapUsers": (users(f"- {{userARN: '{ACCOUNT}:role/A', username: u}}"), 15, "a role's ARN under mapUsers"),
    "session": (
        roles("- {roleARN: 'arn:aws:sts::111122223333:assumed-role/A/me', username: u}"), 15, "stands for its role",
    ),
    "another partition": (
        roles("- {roleARN: 'arn:aws-cn:iam::111122223333:role/A', username: u}"), 5,
        "for the partition aws-cn, but the daemon works in aws, so that it never matches",
    ),
    "a pattern of another partition": (
        roles("- {roleARN: 'arn:aws-cn:iam::111122223333:role/A*', username: u}"), 5, "so that it never matches",
    ),
    "userId": (users(f"- {{userARN: '{ACCOUNT}:user/A', username: u, userid: AIDA}}"), 72, "userId has no effect"),
    "system user": (
        roles(f"- {{username: 'system:{{{{SessionName}}}}', roleARN: '{ACCOUNT}:role/A'}}"), 16,
        "username: callers choose the name of their session",
    ),
    "system user, raw": (
        roles(f"- {{username: 'system:kube-{{{{SessionNameRaw}}}}', roleARN: '{ACCOUNT}:role/A'}}"), 16, "callers choose",
    ),
    "system group": (
        roles(f"- {{groups: [a, 'system:{{{{SessionName}}}}'], username: u, roleARN: '{ACCOUNT}:role/A'}}"), 18,
        "groups: callers choose the name of their session",
    ),
    "administrators by a wildcard": (
        roles(f"- {{groups: [a, system:masters], username: u, roleARN: '{ACCOUNT}:role/A*'}}"), 18,
        "system:masters by a wildcard",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "column", "message"), WARNED.values(), ids=WARNED)
def test_doubtful_rules_are_warned_of(load, text, column, message):
    """A rule that works otherwise than it may be meant is in force, with one warning."""
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
    ],
)
def test_sound_rules_are_not_warned_of(load, username, group):
    """Names that callers can't turn into a system's name give no warning."""
    assert load(roles(f"- roleARN: {ACCOUNT}:role/A", f"  username: {username}", f"  groups: [{group}]")).warnings == ()


REFUSED = {
    "neither": (roles("- {username: u}"), 5, "the rule needs a roleARN or sso"),
    "both": (
        roles(f"- {{username: u, roleARN: '{ACCOUNT}:role/A', sso: {{permissionSetName: A, accountID: '111122223333'}}}}"),
        69, "the rule has both roleARN and sso",
    ),
    "no rule": (roles("- a"), 5, "server.mapRoles must be a mapping"),
    "nothing": (users("-"), 4, "server.mapUsers must be a mapping"),
    "no list": ("clusterID: c\nserver:\n\n  mapRoles: {}", 13, "server.mapRoles must be a list"),
    "no list of users": ("clusterID: c\nserver:\n\n  mapUsers: a", 13, "server.mapUsers must be a list"),
    "no user": (users("- {username: u}"), 5, "server.mapUsers.userARN is missing"),
    "no username": (users(f"- {{userARN: '{ACCOUNT}:user/A'}}"), 5, "server.mapUsers.username is missing"),
    "empty username": (roles(f"- {{username: '', roleARN: '{ACCOUNT}:role/A'}}"), 16, "username must have 1 to 1024"),
    "null username": (roles(f"- {{username: , roleARN: '{ACCOUNT}:role/A'}}"), 16, "username has no value"),
    "long username": (roles(f"- {{username: {'x' * 1025}, roleARN: '{ACCOUNT}:role/A'}}"), 16, "username must have"),
    "control character": (roles(f'- {{username: "a\\nb", roleARN: "{ACCOUNT}:role/A"}}'), 16, "must not have control"),
    "bidi override": (roles(f'- {{username: "a\\u202eb", roleARN: "{ACCOUNT}:role/A"}}'), 16, "must not have control"),
    "unknown placeholder": (
        roles(f"- {{username: '{{{{SesionName}}}}', roleARN: '{ACCOUNT}:role/A'}}"), 16, "did you mean {{SessionName}}?",
    ),
    "odd braces": (roles(f"- {{username: '{{{{SessionName', roleARN: '{ACCOUNT}:role/A'}}"), 16, "braces don't match"),
    "EC2": (
        roles(f"- {{username: '{{{{EC2PrivateDNSName}}}}', roleARN: '{ACCOUNT}:role/A'}}"), 16,
        "has {{EC2PrivateDNSName}}, which is not supported yet",
    ),
    "group null": (roles(f"- {{username: u, groups: [~], roleARN: '{ACCOUNT}:role/A'}}"), 28, "groups has no value"),
    "group empty": (roles(f"- {{username: u, groups: [''], roleARN: '{ACCOUNT}:role/A'}}"), 28, "groups must have 1"),
    "groups a text": (roles(f"- {{username: u, groups: a, roleARN: '{ACCOUNT}:role/A'}}"), 27, "groups must be a list"),
    "group a mapping": (
        roles(f"- {{username: u, groups: [{{a: b}}], roleARN: '{ACCOUNT}:role/A'}}"), 28,
        "groups must be a single value, not a mapping",
    ),
    "no ARN": (roles("- {username: u, roleARN: Admin}"), 28, "server.mapRoles.roleARN is not the ARN"),
    "no ARN of a user": (users("- {username: u, userARN: Alice}"), 28, "server.mapUsers.userARN is not the ARN"),
    "key of the other list": (
        users(f"- {{username: u, userARN: '{ACCOUNT}:user/A', roleARN: x}}"), 64,
        "unknown setting server.mapUsers.roleARN: it belongs under server.mapRoles",
    ),
    "wildcard account": (roles("- {username: u, roleARN: 'arn:aws:iam::*:role/A'}"), 28, "let anyone in who creates"),
    "wildcard partition": (
        roles("- {username: u, roleARN: 'arn:*:iam::111122223333:role/A'}"), 28, "let anyone in who creates",
    ),
    "wildcard alone": (roles("- {username: u, roleARN: '*'}"), 28, "let anyone in who creates"),
    "wildcard path": (roles(f"- {{username: u, roleARN: '{ACCOUNT}:role/team/*'}}"), 28, "must have no path"),
    "wildcard kind": (roles(f"- {{username: u, roleARN: '{ACCOUNT}:user/A*'}}"), 28, "is no role's ARN"),
    "wildcards many": (roles(f"- {{username: u, roleARN: '{ACCOUNT}:role/*a*b*c*'}}"), 28, "more than 3 asterisks"),
    "wildcard letters": (roles(f"- {{username: u, roleARN: '{ACCOUNT}:role/A b*'}}"), 28, "is no role's ARN"),
    "wildcard user": (users(f"- {{username: u, userARN: '{ACCOUNT}:user/*'}}"), 28, "must name one principal"),
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
    "sso unknown": (
        roles("- {username: u, sso: {permissionSetName: a, accountID: '111122223333', account: x}}"), 74,
        "did you mean accountID?",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "column", "message"), REFUSED.values(), ids=REFUSED)
def test_wrong_rules_are_refused(refuse, text, column, message):
    """Each fault in a rule is one error at its place."""
    (problem,) = refuse(text)
    assert (problem.line, problem.column) == (4, column)
    assert message in problem.message


def test_the_later_of_two_rules_wins(load):
    """Of two rules for one role, user, permission set or pattern the later is in force, and both lines are told."""
    subjects = [
        f"roleARN: '{ACCOUNT}:role/A'",
        f"roleARN: '{ACCOUNT}:role/path/a'",
        "sso: {permissionSetName: S, accountID: '111122223333'}",
        "sso: {permissionSetName: s, accountID: '111122223333', partition: aws}",
        f"roleARN: '{ACCOUNT}:role/P*'",
        f"roleARN: '{ACCOUNT}:role/p*'",
    ]
    loaded = load(roles(*(f"- {{username: u{number}, {subject}}}" for number, subject in enumerate(subjects))))
    table = loaded.table
    in_force = [rule.username.text for rule in (*table.exact.values(), *(rule for _, rule in table.patterns))]
    assert in_force == ["u1", "u3", "u5"]
    assert [(warning.line, warning.message.split(":")[0]) for warning in loaded.warnings] == [
        (5, "the same role or user is mapped in line 4 already"),
        (7, "the same role or user is mapped in line 6 already"),
        (9, "the same role or user is mapped in line 8 already"),
    ]


@pytest.mark.parametrize("order", [("mapRoles", "mapUsers"), ("mapUsers", "mapRoles")])
def test_a_role_rule_beats_a_user_rule(load, order):
    """An ARN under both mapRoles and mapUsers follows mapRoles, whichever stands first."""
    entries = {
        "mapRoles": f"  mapRoles: [{{username: by-role, roleARN: '{ACCOUNT}:user/A'}}]\n",
        "mapUsers": f"  mapUsers: [{{username: by-user, userARN: '{ACCOUNT}:user/A'}}]\n",
    }
    loaded = load("clusterID: c\nserver:\n" + "".join(entries[name] for name in order))
    (rule,) = rules_of(loaded)
    assert rule.username.text == "by-role"
    assert any("mapped in line" in warning.message for warning in loaded.warnings)


def test_a_broken_rule_does_not_hide_the_next(refuse):
    """Every rule is looked at, whatever is wrong with the ones before."""
    problems = refuse(roles("- *a", "- b", f"- {{roleARN: '{ACCOUNT}:role/A', username: {{{{SessionName}}}}}}", "- {}"))
    assert [problem.line for problem in problems] == [4, 5, 6, 7, 7]


def test_rules_from_elsewhere_than_lists_are_refused(refuse):
    """An option can't bring rules."""
    problems = refuse("clusterID: c", server__mapRoles="a,b", server__mapUsers="c")
    assert [problem.file for problem in problems] == ["--map-users", "--map-roles", "--map-roles"]
