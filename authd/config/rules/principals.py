"""Whom a rule of `mapRoles` or `mapUsers` is for: a principal, a permission set, or roles by a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterable

from authd.config.schema import SSO
from authd.config.section import Section
from authd.config.values import InvalidValue, account, one_of
from authd.core.arn import InvalidArn, PrincipalArn, PrincipalKind, parse_arn
from authd.core.mapping import PermissionSet, RolePattern

Principal = PrincipalArn | PermissionSet | RolePattern

#: Source: AWS, IAM Identity Center API reference, CreatePermissionSet (Name).
_PERMISSION_SET = re.compile(r"[A-Za-z0-9_+=,.@-]{1,32}")
#: Matching tries each way to divide a name among the asterisks, which with many of them takes minutes.
_MAX_ASTERISKS = 3
_WILDCARD = re.compile(r"[*?]")
_PATTERN_ARN = re.compile(r"arn:([a-z][a-z0-9-]{1,31}):iam::([0-9]{12}):role/([A-Za-z0-9_+=,.@*?-]{1,64})")
_BEFORE_RESOURCE = re.compile(r"arn:[^:*?]*:[^:*?]*::[^:*?]*:")


def principal(text: str) -> PrincipalArn:
    """Read the ARN of exactly one principal."""
    if _WILDCARD.search(text):
        raise InvalidValue("must name one principal: only the names of roles under mapRoles may have * and ?")
    return _exact(text)


def role(text: str) -> PrincipalArn | RolePattern:
    """Read the ARN of a role, or of roles by a name with wildcards."""
    if not _WILDCARD.search(text):
        return _exact(text)
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
            "may have * and ? in the role's name alone: a wildcard before it would let anyone in "
            "who creates such a role in an account of their own"
        )
    if text[begin.end() :].startswith("role/") and text.count("/") > 1:
        raise InvalidValue("with a wildcard must have no path: AWS does not tell the path of a session's role")
    raise InvalidValue("has a wildcard but is no role's ARN: write arn:aws:iam::111122223333:role/Name-*")


def _exact(text: str) -> PrincipalArn:
    try:
        return parse_arn(text)
    except InvalidArn as error:
        raise InvalidValue(f"is {error}") from None


def read_role(rule: Section, partitions: Iterable[str]) -> Principal | None:
    """Read the subject of a rule in `mapRoles`, `roleARN` or `sso`; None where it is wrong.

    A permission set without a partition gets an empty one: it is the daemon's, which may stand further down.
    """
    arn, sso = rule.node_of("roleARN"), rule.node_of("sso")
    if arn is not None and sso is not None:
        rule.problems.error(sso, "the rule has both roleARN and sso: it can be for one of them alone")
        return None
    if arn is None and sso is None:
        rule.problems.error(rule.node, "the rule needs a roleARN or sso: whom it is for")
        return None
    if sso is not None:
        return _permission_set(rule.section_at(sso, "sso", SSO), partitions)
    subject = rule.value("roleARN", role, None)
    if arn is not None and isinstance(subject, PrincipalArn):
        if subject.kind is not PrincipalKind.ROLE:
            rule.problems.warn(arn, f"a {subject.kind}'s ARN under mapRoles: it works, but belongs under mapUsers")
        elif subject.session:
            rule.problems.warn(arn, "an assumed role's ARN stands for its role: every session of the role matches")
    return subject


def read_user(rule: Section) -> Principal | None:
    """Read the subject of a rule in `mapUsers`; None where it is missing or wrong."""
    subject = rule.required("userARN", principal, "whom the rule is for")
    arn = rule.node_of("userARN")
    if arn is not None and subject is not None and subject.kind is PrincipalKind.ROLE:
        rule.problems.warn(arn, "a role's ARN under mapUsers: it works, but belongs under mapRoles")
    return subject


def _permission_set(sso: Section | None, partitions: Iterable[str]) -> PermissionSet | None:
    if sso is None:
        return None
    name = sso.required("permissionSetName", _permission_set_name, "the permission set whose roles the rule is for")
    number = sso.required("accountID", account, "the account in which the roles are")
    partition = sso.value("partition", one_of(partitions), "")
    if name is None or number is None:
        return None
    return PermissionSet(partition=partition, account=number, name=name)


def _permission_set_name(text: str) -> str:
    if not _PERMISSION_SET.fullmatch(text):
        raise InvalidValue("must be a permission set's name: 1 to 32 letters, digits and _+=,.@-")
    return text
