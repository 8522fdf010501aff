"""Edits of a list of rules, as text."""

from __future__ import annotations

import pytest

from authd.cli.mappings.plain_rule import ROLE, PlainRule, check_rule
from authd.cli.mappings.yaml_list import YAMLList
from authd.cli.shared.errors import CommandError

A = "arn:aws:iam::111122223333:role/A"
B = "arn:aws:iam::111122223333:role/path/B"
NEW = PlainRule(kind=ROLE, arn="arn:aws:iam::111122223333:role/New", username="new:{{SessionName}}", groups=("g", "h"))

TEXT = f"""\
# The administrators.
- rolearn: {A}   # ours
  username: a
  groups:
  - system:masters

# The developers: ask team B.
-
  username: "b"
  rolearn: {B}
"""
ADDED = """\
- rolearn: arn:aws:iam::111122223333:role/New
  username: new:{{SessionName}}
  groups:
  - g
  - h
"""


def read(text):
    return YAMLList(text, ROLE, "mapRoles")


def key(arn):
    return PlainRule(kind=ROLE, arn=arn).key


def test_rules():
    """Rules have their line and column."""
    first, second = read(TEXT).rules
    assert (first.arn, first.username, first.groups, first.place) == (A, "a", ("system:masters",), "mapRoles:2:3")
    assert (second.arn, second.username) == (B, "b")


def test_a_permission_set_without_values_is_left_out():
    """A rule with an ARN and an empty `sso`, as charts write it, is a rule for the ARN."""
    (rule,) = read(f"- rolearn: {A}\n  sso: {{permissionSetName: '', accountID: null}}\n  username: a\n").rules
    assert rule.entry() == {"rolearn": A, "username": "a"}


def test_added():
    """A rule is added at the end, and nothing else changes."""
    assert read(TEXT).with_added(NEW) == TEXT + ADDED
    assert read(TEXT.rstrip("\n")).with_added(NEW) == TEXT + ADDED


def test_added_with_indentation():
    """The new rule is indented as the others are."""
    text = "".join(f"    {line}\n" if line else "\n" for line in TEXT.splitlines())
    added = read(text).with_added(NEW)
    assert added.startswith(text)
    assert [rule.arn for rule in read(added).rules] == [A, B, NEW.arn]


@pytest.mark.parametrize("text", ["", "[]", "null\n", "  \n"])
def test_added_to_nothing(text):
    """A rule can be added to an empty list."""
    assert read(text).with_added(NEW) == ADDED


def test_comments_of_an_empty_list():
    """Comments of an empty list stay."""
    assert read("# nobody\n[]\n").with_added(NEW) == "# nobody\n" + ADDED


def test_removed():
    """A rule is removed, and comments around it stay. A role's path is ignored."""
    without_a = read(TEXT).with_removed(key(A))
    assert without_a == "# The administrators.\n\n" + TEXT[TEXT.index("# The developers") :]
    without_b = read(TEXT).with_removed(key("arn:aws:iam::111122223333:role/B"))
    assert without_b == TEXT[: TEXT.index("-\n")]
    assert read(without_a).with_removed(key(B)).endswith("# The developers: ask team B.\n[]\n")
    assert read(TEXT).with_removed(key(NEW.arn)) == TEXT


def test_all_of_one():
    """If a role is mapped twice, both rules are removed."""
    text = read(read(TEXT).with_added(NEW)).with_added(NEW)
    assert read(text).with_removed(NEW.key) == TEXT


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not YAML"), ("a: b", "is not a list"), ("- *nowhere", "nowhere")],
)
def test_broken(text, message):
    """A broken list is not edited."""
    with pytest.raises(Exception, match=message):
        read(text)


def test_brackets():
    """A list in brackets is not edited."""
    flow = read(f"[{{rolearn: '{A}', username: a}}]")
    assert [rule.arn for rule in flow.rules] == [A]
    with pytest.raises(CommandError, match="in brackets"):
        flow.with_added(NEW)
    with pytest.raises(CommandError, match="in brackets"):
        flow.with_removed(key(A))


@pytest.mark.parametrize(
    "rule",
    [
        NEW,
        PlainRule(kind=ROLE, sso=(("permissionSetName", "Dev"), ("accountID", "111122223333")), username="u"),
        PlainRule(kind="user", arn="arn:aws-cn:iam::111122223333:user/u", username="u"),
    ],
)
def test_good_rules(rule):
    """A rule that the daemon accepts can be added."""
    check_rule(rule)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (PlainRule(kind=ROLE, arn="x", username="u"), "roleARN"),
        (PlainRule(kind=ROLE, arn=A, username="{{Nonsense}}"), "unknown placeholder"),
        (PlainRule(kind=ROLE, sso=(("permissionSetName", "Dev"),), username="u"), "accountID is missing"),
    ],
)
def test_bad_rules(rule, message):
    """A rule that the daemon refuses can't be added."""
    with pytest.raises(CommandError, match=message):
        check_rule(rule)
