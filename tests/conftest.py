"""Fixtures for several rooms: tokens built part by part, identities and rules."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import settings

from authd.core.arn import parse_arn
from authd.core.caller_identity import CallerIdentity
from authd.core.mapping.rules import PermissionSet, RolePattern, Rule, TimedRule
from authd.core.mapping.templates import parse_template
from authd.core.mapping.validity import Validity
from authd.core.partitions import Partition, STSHosts
from authd.partition_data import load_partitions

# The time of an example means nothing on a shared machine.
settings.register_profile("authd", deadline=None)
settings.load_profile("authd")

#: 2026-03-01T12:00:00Z, the date of `PARAMETERS`.
NOW = 1_772_366_400

PARAMETERS: Mapping[str, str] = {
    "Action": "GetCallerIdentity",
    "Version": "2011-06-15",
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": "AKIAIOSFODNN7EXAMPLE%2F20260301%2Fus-east-1%2Fsts%2Faws4_request",
    "X-Amz-Date": "20260301T120000Z",
    "X-Amz-Expires": "60",
    "X-Amz-SignedHeaders": "host%3Bx-k8s-aws-id",
    "X-Amz-Signature": "0123456789abcdef" * 4,
}


@dataclass(frozen=True)
class Tokens:
    """Builds tokens that differ from a valid one only in the given parts."""

    now: int = NOW
    parameters: Mapping[str, str] = field(default_factory=lambda: PARAMETERS)

    def encode(self, url: str | bytes, prefix: str = "k8s-aws-v1.") -> str:
        """Make a token of a URL's text."""
        raw = url if isinstance(url, bytes) else url.encode("utf-8")
        return prefix + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def url(
        self,
        changes: Mapping[str, str | None] | None = None,
        *,
        begin: str = "https://sts.us-east-1.amazonaws.com/?",
        end: str = "",
    ) -> str:
        """Make a URL with some parameters changed, added or (None) left out."""
        parameters = {**self.parameters, **(changes or {})}
        query = "&".join(f"{name}={value}" for name, value in parameters.items() if value is not None)
        return f"{begin}{query}{end}"

    def token(
        self,
        changes: Mapping[str, str | None] | None = None,
        *,
        begin: str = "https://sts.us-east-1.amazonaws.com/?",
        end: str = "",
    ) -> str:
        """Make the token of such a URL."""
        return self.encode(self.url(changes, begin=begin, end=end))


@pytest.fixture(scope="session")
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture(scope="session")
def partitions() -> Mapping[str, Partition]:
    return load_partitions()


@pytest.fixture(scope="session")
def hosts(partitions: Mapping[str, Partition]) -> STSHosts:
    return STSHosts(partition=partitions["aws"])


@dataclass(frozen=True)
class Identities:
    """Builds identities confirmed by STS."""

    def of(self, arn: str, *, principal_id: str = "AROA1234", access_key_id: str = "ASIAEXAMPLE") -> CallerIdentity:
        """Make the identity of an ARN, as `parse_response` would."""
        parsed = parse_arn(arn)
        return CallerIdentity(
            arn=parsed,
            arn_text=arn,
            canonical_arn=parsed.canonical,
            key=parsed.key,
            principal_id=principal_id,
            access_key_id=access_key_id,
            request_id="request-1",
        )


@pytest.fixture(scope="session")
def identities() -> Identities:
    return Identities()


@dataclass(frozen=True)
class Rules:
    """Builds mapping rules, by default at place `m.yaml:1:1`."""

    def arn(self, arn: str, username: str = "user", groups: Sequence[str] = (), where: str = "m.yaml:1:1") -> Rule:
        """Map a principal's ARN, or roles by a name with wildcards."""
        if "*" in arn or "?" in arn:
            _, partition, _, _, account, resource = arn.split(":")
            pattern = RolePattern(partition=partition, account=account, name=resource.removeprefix("role/"))
            return self._rule(pattern, username, groups, where)
        return self._rule(parse_arn(arn), username, groups, where)

    def sso(
        self,
        name: str,
        *,
        account: str = "111122223333",
        username: str = "user",
        groups: Sequence[str] = (),
        where: str = "m.yaml:1:1",
        partition: str = "aws",
    ) -> Rule:
        """Map a permission set."""
        subject = PermissionSet(partition=partition, account=account, name=name)
        return self._rule(subject, username, groups, where)

    def timed(self, rule: Rule, start: float = -math.inf, end: float = math.inf) -> TimedRule:
        """Return a rule that is in force from `start` until `end`."""
        time = Validity(start=start, end=end)
        return TimedRule(subject=rule.subject, username=rule.username, groups=rule.groups, where=rule.where, time=time)

    def _rule(self, subject: object, username: str, groups: Sequence[str], where: str) -> Rule:
        return Rule(
            subject=subject,
            username=parse_template(username),
            groups=tuple(parse_template(group) for group in groups),
            where=where,
        )


@pytest.fixture(scope="session")
def rules() -> Rules:
    return Rules()
