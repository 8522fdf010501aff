"""Warnings of valid rules that grant more or less than they seem to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from authd.config.document.nodes import Node, Scalar, SequenceNode
from authd.config.document.problems import Place, Problems
from authd.config.fields.section import Section
from authd.core.mapping.reserved import ReservedPrefixes
from authd.core.mapping.rules import RolePattern
from authd.core.mapping.templates import CHOSEN_BY_CALLER, Template

#: Kubernetes reserves names with this prefix.
#: Source: Kubernetes, "Using RBAC Authorization", default roles and role bindings.
SYSTEM = "system:"
ADMINISTRATORS = "system:masters"
#: A role name that matches every role.
_EVERY_ROLE = re.compile(r"[*?]*\*[*?]*")
#: What YAML 1.1 takes for a boolean or a number. Source: yaml.org, "bool", "int" and "float" in the type repository,
#: and gopkg.in/yaml.v2, resolve.go, which adds 0o and leaves out numbers with colons.
_BOOLEAN = r"y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF"
_NUMBER = (
    r"[-+]?(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|\.(?:inf|Inf|INF)"
    r"|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?)|\.(?:nan|NaN|NAN)"
)
_NO_TEXT = re.compile(f"{_BOOLEAN}|{_NUMBER}")
#: Numbers that are written in the one way in which aws-iam-authenticator writes them again.
_PLAIN_NUMBER = re.compile(r"-?[1-9][0-9]{0,14}(?:\.[0-9]{0,5}[1-9])?|0(?:\.[0-9]{0,5}[1-9])?")


def warn_of_username(rule: Section, username: Template) -> None:
    """Warn of a user name by which callers choose a system user."""
    if _chosen_by_caller(username):
        rule.problems.warn(
            rule.node_of("username") or rule.node,
            "username: callers choose the name of their session, so anyone who can assume the role "
            f"{_could(username, f'be any such user, {_example(username)} for one')}",
        )


def warn_of_group(rule: Section, place: Node, group: Template) -> None:
    """Warn of a group by which callers choose a system group."""
    if _chosen_by_caller(group):
        rule.problems.warn(
            place,
            "groups: callers choose the name of their session, so anyone who can assume the role "
            f"{_could(group, f'be in any such group, {ADMINISTRATORS} for one')}",
        )


def warn_of_pattern(problems: Problems, place: Place, pattern: RolePattern, administrators: Place | None) -> None:
    """Warn of a pattern for a whole account, and of administrators by a pattern."""
    if _EVERY_ROLE.fullmatch(pattern.name):
        problems.warn(
            place,
            f"the pattern covers the whole account {pattern.account}: every role in it matches, also roles "
            "that are created later",
        )
    if administrators is not None:
        problems.warn(
            administrators,
            f"{ADMINISTRATORS} by a wildcard: every role that matches, now or later, rules the whole cluster",
        )


def warn_of_literal(problems: Problems, place: Place, setting: str) -> None:
    """Warn of an ARN that matches nobody, because its `*` and `?` are literal characters."""
    remedy = (
        "set server.rolePatterns: true if it is meant as a wildcard"
        if setting == "roleARN"
        else "write a rule for each principal"
    )
    problems.warn(
        place,
        f"{setting}: * and ? are literal characters, as in aws-iam-authenticator, so that the rule matches nobody: "
        f"{remedy}",
    )


def warn_of_spellings(rule: Section) -> None:
    """Warn of names without quotes that aws-iam-authenticator reads from a settings file as booleans or numbers."""
    for setting, node in _unquoted(rule):
        if not _PLAIN_NUMBER.fullmatch(node.text):
            rule.problems.warn(
                node,
                f"{setting}: {node.text} is the name here, but without quotes aws-iam-authenticator reads a boolean or "
                "a number and gives another name: quote it",
            )


def warn_of_types(rule: Section) -> None:
    """Warn of values that aws-iam-authenticator drops in every other source, where each must have its JSON type."""
    groups = rule.node_of("groups")
    if isinstance(groups, Scalar):
        rule.problems.warn(
            groups,
            "groups: a text counts as a list here, but aws-iam-authenticator gives no groups for it: write a list",
        )
    for setting, node in _unquoted(rule):
        if setting == "username" or node is not groups:
            rule.problems.warn(
                node,
                f"{node.text} is a name here, but without quotes a boolean or number that aws-iam-authenticator drops: "
                "quote it",
            )


def _unquoted(rule: Section) -> Iterator[tuple[str, Scalar]]:
    """Yield the names of a rule that YAML 1.1 takes for booleans or numbers, each with its setting."""
    for setting in ("username", "groups"):
        found = rule.node_of(setting)
        for node in found.nodes if isinstance(found, SequenceNode) else [found]:
            if isinstance(node, Scalar) and node.plain and _NO_TEXT.fullmatch(node.text):
                yield setting, node


def warn_of_reserved(
    problems: Problems,
    place: Place,
    username: Template | None,
    groups: Sequence[Template],
    reserved: ReservedPrefixes,
) -> None:
    """Warn of a rule whose logins are all refused, because a name has a reserved prefix."""
    if username is not None:
        _warn_of_prefix(problems, place, "user name", (username,), reserved.usernames)
    _warn_of_prefix(problems, place, "group", groups, reserved.groups)


def _warn_of_prefix(
    problems: Problems, place: Place, kind: str, names: Sequence[Template], prefixes: tuple[str, ...]
) -> None:
    for template in names if prefixes else ():
        prefix = next((each for each in prefixes if template.pieces[0].startswith(each)), None)
        if prefix is not None:
            problems.warn(
                place,
                f"the {kind} begins with {prefix!r}, which reservedPrefixConfig reserves, so that every login by "
                "this rule is refused",
            )
            return


def _chosen_by_caller(template: Template) -> frozenset[str]:
    """Return the placeholders of a system name that callers fill in. A session's name can't have a colon."""
    return template.placeholders & CHOSEN_BY_CALLER if template.text.startswith(SYSTEM) else frozenset()


def _could(template: Template, what: str) -> str:
    if template.lets_choose_system_name:
        return f"could {what}: every login by this rule is refused; write the whole name"
    return f"can {what}"


def _example(username: Template) -> str:
    return "any node" if username.text.startswith("system:node:") else "system:kube-controller-manager"
