"""`validFrom` and `validUntil` in every format that has rules."""

from __future__ import annotations

import json

import pytest

from authd.config.document.problems import Problems
from authd.config.dynamic_file import reading_dynamic_file
from authd.config.manifests import embedded_rules, rule_problems
from authd.config.rules.aws_auth import reading_aws_auth
from authd.config.rules.validity import SOON_SECONDS, slip_for_validity, time_warnings
from authd.core.cooperative import finish
from authd.core.errors import ConfigError
from authd.core.mapping.reserved import ReservedPrefixes
from authd.core.mapping.validity import Validity, parse_time
from tests.daemon.fakes import identity

RESERVED = ReservedPrefixes(groups=("g:",))
ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/A"
SESSION = identity(f"arn:aws:sts::{ACCOUNT}:assumed-role/A/me")
FROM, UNTIL = "2030-01-01", "2030-12-31T18:00:00Z"


def settings(*rules, more=""):
    return "clusterID: c\nserver:\n" + more + "  mapRoles:\n" + "".join(f"  - {rule}\n" for rule in rules)


def rule(times, name="A", username="a"):
    return f"{{roleARN: 'arn:aws:iam::{ACCOUNT}:role/{name}', username: {username}{times}}}"


def test_the_settings_file(load):
    """Both keys are optional, in any case, with or without quotes, and null means no limit."""
    times = [", validFrom: 2030-01-01, VALIDUNTIL: '2030-12-31T18:00:00Z'", ", validUntil: null", ", validFrom: ~"]
    loaded = load(settings(*(rule(each, f"A{n}") for n, each in enumerate(times)), rule("", "B")))
    timed, *others = loaded.table.exact.values()
    assert timed.validity == Validity(start=parse_time(FROM), end=parse_time(UNTIL))
    assert [each.validity for each in others] == [Validity()] * 3
    assert [type(each).__name__ for each in others] == ["Rule"] * 3


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (", validUntil: 2030-02-29", "validUntil is not a calendar time: write a time such as 2030-12-31T18:00:00Z"),
        (", validFrom: soon", "validFrom must be a time in UTC, such as 2030-12-31T18:00:00Z, or a date"),
        (", validUntil: [2030-01-01]", "validUntil must be a single value, not a list"),
        (", validUntil: ''", "validUntil is empty: write a time such as 2030-12-31T18:00:00Z, or null"),
        (", validFrom: ", "validFrom is empty"),
        (", validFrom: 2030-01-02, validUntil: 2030-01-01", "must be after validFrom, 2030-01-02T00:00:00Z"),
        (", validFrom: 2030-01-01, validUntil: 2030-01-01T00:00:00Z", "validUntil must be after validFrom"),
        (", validUntill: 2030-01-01", "did you mean validUntil?"),
        (", valid_from: 2030-01-01", "unknown setting server.mapRoles.valid_from"),
    ],
)
def test_wrong_times(refuse, times, message):
    """A wrong time is one error at its place, and the rule is not in force without it."""
    (problem,) = refuse(settings(rule(times)))
    assert problem.line == 4
    assert message in problem.message
    assert problem.message.startswith(("server.mapRoles.", "unknown setting server.mapRoles."))


def test_rules_for_one_role(load):
    """A later rule with a time is added to the earlier one. Without a time it replaces that one, with a warning."""
    until = f", validUntil: {UNTIL}"
    both = load(settings(rule("", username="always"), rule(until, username="first")))
    assert both.warnings == ()
    assert len(both.table) == 2
    now = parse_time(UNTIL)
    assert [both.table.lookup(SESSION, at).username for at in (now - 1, now)] == ["first", "always"]
    replaced = load(settings(rule(until, username="first"), rule("", username="always")))
    assert ["is mapped in line 4 already" in warning.message for warning in replaced.warnings] == [True]
    assert (len(replaced.table), replaced.table.lookup(SESSION, now - 1).username) == (1, "always")


def test_patterns_for_one_name(load):
    """The same holds for two rules with the same wildcards."""
    chosen = rule("", "A*", "always"), rule(f", validUntil: {UNTIL}", "A*", "first")
    table = load(settings(*chosen, more="  rolePatterns: true\n")).table
    now = parse_time(UNTIL)
    assert [table.lookup(SESSION, at).username for at in (now - 1, now)] == ["first", "always"]


def test_aws_auth(partitions):
    """aws-auth has the same keys. A rule with a wrong time or a misspelled key is dropped and reported."""
    entries = [
        f"- rolearn: {ROLE}\n  username: a\n  validUntil: {UNTIL}\n",
        f"- rolearn: {ROLE}1\n  username: a1\n  validUntil: never\n",
        f"- rolearn: {ROLE}2\n  username: a2\n  valid_until: {UNTIL}\n",
        f"- rolearn: {ROLE}3\n  username: '{{{{Nonsense}}}}'\n",
        f"- rolearn: {ROLE}4\n  username: a4\n  note: x\n",
    ]
    found = finish(
        reading_aws_auth(
            {"mapRoles": "".join(entries)}, partitions, partition="aws", patterns=False, reserved=RESERVED,
        )
    )  # fmt: skip
    assert sorted(found.table.exact) == [ROLE.lower(), f"{ROLE.lower()}4"]
    assert found.table.reserved == RESERVED
    place = "configmap kube-system/aws-auth mapRoles"
    assert [str(error).split(": ")[0] for error in found.errors] == [f"{place}:6:15", f"{place}:9:3", f"{place}:11:13"]
    assert "valid_until is not a key of a rule: did you mean validUntil? Without it" in str(found.errors[1])
    assert [warning.message for warning in found.warnings] == ["note has no effect: rules have no such key"]


@pytest.mark.parametrize("strict", [False, True])
def test_the_dynamic_file(partitions, strict):
    """The dynamic file has the same keys, also with unique IDs. Two rules for an ID may have different times."""
    user_id = "AROAEXAMPLEEXAMPLE00"
    entry = {"rolearn": ROLE, "username": "a", "userid": user_id}
    rules = [entry, {**entry, "username": "b", "validFrom": FROM, "validUntil": UNTIL}]

    def read(rules, problems):
        return finish(
            reading_dynamic_file(
                json.dumps({"mapRoles": rules}).encode(), problems, partitions, partition="aws", patterns=False,
                strict=strict, reserved=RESERVED,
            )
        )  # fmt: skip

    problems = Problems("f")
    table = read(rules, problems)
    caller = identity(f"arn:aws:sts::{ACCOUNT}:assumed-role/A/me", user_id)
    now = parse_time(UNTIL)
    assert [table.lookup(caller, at).username for at in (0.0, now - 1, now)] == ["a", "b", "a"]
    assert (problems.warnings(), table.reserved) == ((), RESERVED)
    with pytest.raises(ConfigError, match="validUntil must be a time in UTC"):
        read([{**entry, "validUntil": 5}], Problems("f"))


def test_time_warnings(load):
    """A rule that is not in force, or ends within a week, has a warning at its place."""
    now = parse_time(UNTIL)
    loaded = load(
        settings(
            rule(f", validUntil: {UNTIL}", "A"),
            rule(", validUntil: 2031-01-07T17:59:59Z", "B"),
            rule(", validUntil: 2031-01-07T18:00:00Z", "C"),
            rule(", validFrom: 2031-01-01", "D"),
            rule("", "E"),
        )
    )
    assert SOON_SECONDS == 7 * 86_400
    assert [(each.line, each.column, each.message) for each in time_warnings(loaded.table.rules(), now)] == [
        (4, 5, "the rule ended at 2030-12-31T18:00:00Z: set another validUntil, or remove the rule"),
        (5, 5, "the rule ends soon, at 2031-01-07T17:59:59Z"),
        (7, 5, "the rule begins at 2031-01-01T00:00:00Z: until then it has no effect"),
    ]


def test_time_warnings_of_a_manifest(partitions):
    """Rules in a manifest of aws-auth have these warnings too."""
    text = (
        "kind: ConfigMap\nmetadata: {name: aws-auth}\ndata:\n  mapRoles: |\n"
        f"    - rolearn: {ROLE}\n      username: a\n      validUntil: {UNTIL}\n"
    )
    (part,) = embedded_rules(text)
    (warning,) = rule_problems(part, "f", partitions, parse_time(UNTIL)).warnings()
    assert str(warning).startswith("f:5:7: the rule ended at 2030-12-31T18:00:00Z")


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("validuntil_", "validUntil"), ("valid-until", "validUntil"), ("vaildUntil", "validUntil"),
        ("validTill", "validUntil"), ("ValidFrm", "validFrom"), ("note", ""), ("userid", ""), ("valid", ""), ("until", ""),
    ],
)  # fmt: skip
def test_misspelled_keys(key, meant):
    """A misspelling of one of the two keys is recognised."""
    assert slip_for_validity(key) == meant


def test_reserved_prefixes_of_groups(load):
    """Each source has prefixes for groups beside those for user names, and a rule that gives one has a warning."""
    more = (
        "  reservedPrefixConfig:\n  - {backendMode: MountedFile, groupPrefixReserveList: ['g:', 'system:']}\n"
        "  - {backendMode: CRD, usernamePrefixReserveList: ['u:'], groupPrefixReserveList: ['x:']}\n"
        "  backendMode: [MountedFile, CRD]\n"
    )
    loaded = load(settings(rule(", groups: [a, 'g:b']"), more=more))
    mounted_file = ReservedPrefixes(groups=("g:", "system:"))
    crd = ReservedPrefixes(usernames=("u:",), groups=("x:",))
    assert loaded.table.reserved == mounted_file
    assert loaded.settings.reserved_prefixes == {"MountedFile": mounted_file, "CRD": crd}
    (warning,) = loaded.warnings
    assert "the group begins with 'g:', which reservedPrefixConfig reserves, so that every login" in warning.message
