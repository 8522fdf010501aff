"""Reads the principal of a rule: an IAM role or user, a permission set, or an ARN with wildcards."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from authd.config.document.nodes import MappingNode, Node, is_absent
from authd.config.fields.arn_faults import arn_fault, partition_fault
from authd.config.fields.schema import SSO
from authd.config.fields.section import Section
from authd.config.fields.values import InvalidValue, account, one_of
from authd.core.arn import InvalidArn, LiteralArn, PrincipalArn, PrincipalKind, parse_arn
from authd.core.mapping.rules import PermissionSet, RolePattern

#: Source: AWS, IAM Identity Center API reference, CreatePermissionSet (Name).
_PERMISSION_SET = re.compile(r"[A-Za-z0-9_+=,.@-]{1,32}")
#: Bounds the time of matching, which grows with the number of asterisks.
_MAX_ASTERISKS = 3
_PATTERN_ARN = re.compile(r"arn:([a-z][a-z0-9-]{1,31}):iam::([0-9]{12}):role/([A-Za-z0-9_+=,.@*?-]{1,64})")
#: An ARN with wildcards anywhere.
_LITERAL_ARN = re.compile(r"arn:([a-z*?][a-z0-9*?-]{0,31}):[a-z*?]{1,3}:[*?]*:([0-9*?]{1,12}):[!-~]{1,512}")
#: All sessions of a role, as some people write them. aws-iam-authenticator leaves out whatever follows the role.
_ANY_SESSION = re.compile(
    r"(arn:[a-z0-9-]+:sts::[0-9]{12}:assumed-role/[A-Za-z0-9_+=,.@-]{1,64})/(?:[A-Za-z0-9_+=,.@-]*[*?][A-Za-z0-9_+=,.@*?-]*)?"
)
_BEFORE_RESOURCE = re.compile(r"arn:[^:*?]*:[^:*?]*::[^:*?]*:")


class WildcardArn(NamedTuple):
    """An ARN with `*` or `?`. `server.rolePatterns` decides whether they are wildcards or literal characters."""

    text: str
    setting: str
    node: Node

    @property
    def literal(self) -> LiteralArn:
        """The ARN with literal `*` and `?`, as aws-iam-authenticator compares it."""
        return LiteralArn(text=self.text)

    def pattern(self) -> RolePattern:
        """Return the pattern. Raises `InvalidValue` for a wildcard anywhere but in the name of a role."""
        if self.setting == "userARN":
            raise InvalidValue("must be one principal: only names of roles under mapRoles may have * and ?")
        return _pattern(self.text)


Principal = PrincipalArn | PermissionSet | WildcardArn


def read_role(rule: Section, partitions: Iterable[str]) -> Principal | None:
    """Read the principal of a rule in `mapRoles`, `roleARN` or `sso`. Returns None if it is wrong.

    If a permission set names no partition, `partition` is empty. It means the daemon's, which may be set further down.
    """
    arn, sso = rule.node_of("roleARN"), rule.node_of("sso")
    if arn is not None and sso is not None and _is_empty(sso):
        sso = None
    if arn is not None and sso is not None:
        rule.problems.error(sso, "the rule has both roleARN and sso: keep one of them")
        return None
    if arn is None and sso is None:
        rule.problems.error(rule.node, "the rule needs roleARN or sso")
        return None
    if sso is not None:
        return _permission_set(rule.section_at(sso, "sso", SSO), partitions)
    principal = None if arn is None else _principal(rule, arn, "roleARN")
    if arn is not None and isinstance(principal, PrincipalArn):
        _warn_of_role(rule, arn, principal)
    return principal


def _warn_of_role(rule: Section, arn: Node, principal: PrincipalArn) -> None:
    if principal.kind is not PrincipalKind.ROLE:
        rule.problems.warn(arn, f"a {principal.kind}'s ARN under mapRoles works, but move it to mapUsers")
    elif principal.session:
        rule.problems.warn(arn, "an assumed role's ARN is read as its role: every session of the role matches")
    elif principal.path != "/":
        rule.problems.warn(
            arn,
            "the role's path is left out, because the ARNs of sessions have none: every session of the role matches, "
            "but in aws-iam-authenticator this rule matches nobody",
        )


def read_user(rule: Section) -> Principal | None:
    """Read the principal of a rule in `mapUsers`. Returns None if it is missing or wrong."""
    arn = rule.node_of("userARN")
    if arn is None:
        rule.required("userARN", str, "the user that the rule is for")
        return None
    principal = _principal(rule, arn, "userARN")
    if isinstance(principal, PrincipalArn) and principal.kind is PrincipalKind.ROLE:
        rule.problems.warn(arn, "a role's ARN under mapUsers works, but move it to mapRoles")
    return principal


def _principal(rule: Section, node: Node, setting: str) -> PrincipalArn | WildcardArn | None:
    found = rule.read(node, setting, _arn, None)
    return WildcardArn(found, setting, node) if isinstance(found, str) else found


def _arn(text: str) -> PrincipalArn | str:
    """Parse the ARN of a principal. Returns the text itself if it has wildcards."""
    spelled = _lowered(text)
    sessions = _ANY_SESSION.fullmatch(spelled)
    if sessions:
        spelled = f"{sessions[1]}/any"
    if ("*" in spelled or "?" in spelled) and _LITERAL_ARN.fullmatch(spelled):
        return spelled
    try:
        arn = parse_arn(spelled)
    except InvalidArn:
        raise InvalidValue(arn_fault(text)) from None
    if arn.partition != "aws" and (fault := partition_fault(spelled)):
        raise InvalidValue(fault)
    return arn


def _lowered(text: str) -> str:
    """Return an ARN with its fixed words in lower case, since aws-iam-authenticator ignores their case."""
    words, slash, name = text.partition("/")
    return f"{words.lower()}{slash}{name}" if text.isascii() else text


def _pattern(text: str) -> RolePattern:
    match = _PATTERN_ARN.fullmatch(text)
    if match and match[3].count("*") > _MAX_ASTERISKS:
        raise InvalidValue(
            f"has more than {_MAX_ASTERISKS} asterisks, which would make matching slow: write several rules"
        )
    if match:
        return RolePattern(partition=match[1], account=match[2], name=match[3])
    begin = _BEFORE_RESOURCE.match(text)
    if begin is None:
        raise InvalidValue(
            "may have * and ? in the role's name alone: with a wildcard before it, anyone could create a matching "
            "role in an account of their own and could log in"
        )
    if text[begin.end() :].startswith("role/") and text.count("/") > 1:
        raise InvalidValue("with a wildcard must not have a path, because ARNs of sessions have none")
    raise InvalidValue("has a wildcard but is not a role's ARN: write arn:aws:iam::111122223333:role/Name-*")


def _is_empty(sso: Node) -> bool:
    return isinstance(sso, MappingNode) and all(is_absent(value) for _, value in sso.entries.values())


def _permission_set(sso: Section | None, partitions: Iterable[str]) -> PermissionSet | None:
    if sso is None:
        return None
    name = sso.required("permissionSetName", _permission_set_name, "the permission set whose roles the rule is for")
    number = sso.required("accountID", account, "the account of the roles")
    partition = sso.value("partition", one_of(partitions), "")
    if name is None or number is None:
        return None
    return PermissionSet(partition=partition, account=number, name=name)


def _permission_set_name(text: str) -> str:
    if not _PERMISSION_SET.fullmatch(text):
        raise InvalidValue("must be a permission set's name: 1 to 32 letters, digits and _+=,.@-")
    return text
