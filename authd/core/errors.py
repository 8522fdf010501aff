"""The root of all errors, and the closed lists of reasons in responses, logs and metrics.

docs/reasons.md has the `#:` comments of the reasons: `make reference` copies them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DenialReason(StrEnum):
    """Reasons for a final refusal. The values are stable and documented in docs/reasons.md."""

    #: The token is not authd's: a ServiceAccount's, or another authenticator's.
    FOREIGN_TOKEN = "foreign_token"
    #: The token has authd's prefix, but it is cut off, changed, longer than `maxTokenLength`, or for a host that is not
    #: an STS endpoint. `message` in the log tells you which.
    MALFORMED_TOKEN = "malformed_token"
    #: The token was signed more than 15 minutes ago.
    TOKEN_EXPIRED = "token_expired"
    #: The token was signed more than 5 minutes in the future.
    TOKEN_NOT_YET_VALID = "token_not_yet_valid"
    #: STS computed another signature. Most often the token is for another cluster ID.
    SIGNATURE_MISMATCH = "signature_mismatch"
    #: The signature has expired or is not valid yet by STS's clock, and is valid by the daemon's.
    SIGNATURE_EXPIRED = "signature_expired"
    #: The caller's AWS session has ended.
    CREDENTIALS_EXPIRED = "credentials_expired"
    #: STS does not know the access key or its session token: deleted, inactive, of another partition, or invented.
    UNKNOWN_ACCESS_KEY = "unknown_access_key"
    #: STS denies the caller GetCallerIdentity, because of a VPC endpoint's policy or a service control policy.
    STS_ACCESS_DENIED = "sts_access_denied"
    #: The caller's account has not activated STS in the region.
    STS_REGION_DISABLED = "sts_region_disabled"
    #: STS refused with an error code that authd does not know.
    STS_REFUSED = "sts_refused"
    #: kube-apiserver asked for audiences, and `audiences` has none of them.
    AUDIENCE_MISMATCH = "audience_mismatch"
    #: STS confirms the caller, but the principal can't be mapped, such as an EC2 instance's own identity
    #: (`assumed-role/aws:ec2-instance/…`) or a principal of another partition.
    UNSUPPORTED_IDENTITY = "unsupported_identity"
    #: STS confirms the caller, but no rule matches. `message` names the nearest rule, or the rule that has ended or not
    #: begun.
    IDENTITY_NOT_MAPPED = "identity_not_mapped"
    #: The rule has a placeholder, and the caller has no value for it: a user has no session name.
    USERNAME_NOT_RENDERED = "username_not_rendered"
    #: The rule gives a user name or group with a prefix that `reservedPrefixConfig` forbids, or a `system:` name that
    #: the caller's own values choose, such as `{{SessionName}}:masters` for the session `system`, or
    #: `system:{{SessionName}}`.
    USERNAME_RESERVED = "username_reserved"
    #: The rule has `{{EC2PrivateDNSName}}`, and EC2 has no private DNS name for the caller: the session is not named
    #: after an instance of the daemon's region and account, or the instance has been terminated.
    INSTANCE_NAME_UNKNOWN = "instance_name_unknown"
    #: AWS refuses the daemon's own call to DescribeInstances or AssumeRole. `message` has AWS's error code.
    INSTANCE_LOOKUP_REFUSED = "instance_lookup_refused"
    #: A bug of authd. The login is denied to be safe.
    INTERNAL_ERROR = "internal_error"


#: Refusals without an `error`, which kube-apiserver caches for two minutes. They depend on the token's text alone, and
#: tokens for other authenticators are frequent.
SILENT_REASONS = frozenset({DenialReason.FOREIGN_TOKEN, DenialReason.MALFORMED_TOKEN})


class UnavailableReason(StrEnum):
    """Reasons for a temporary failure. The values are stable and documented in docs/reasons.md."""

    #: STS throttles this network's address or the caller's account.
    STS_THROTTLED = "sts_throttled"
    #: STS responded with an error of its own.
    STS_ERROR = "sts_error"
    #: The response is not from STS.
    STS_BAD_ANSWER = "sts_bad_answer"
    #: There is no connection to STS: DNS, routing, a firewall, or a certificate that neither `caFile` nor the system
    #: trusts.
    STS_UNREACHABLE = "sts_unreachable"
    #: STS did not respond within `sts.timeout`.
    STS_TIMEOUT = "sts_timeout"
    #: EC2 throttles the daemon's account.
    INSTANCE_LOOKUP_THROTTLED = "instance_lookup_throttled"
    #: There is no connection to EC2, its response is not valid, or the daemon has no credentials. `message` tells you
    #: which.
    INSTANCE_LOOKUP_FAILED = "instance_lookup_failed"
    #: EC2 did not return the name of an instance within 10 seconds.
    INSTANCE_LOOKUP_TIMEOUT = "instance_lookup_timeout"
    #: More calls to STS are needed than `sts.concurrency` or `sts.callsPerSecond` allows.
    OVERLOADED = "overloaded"
    #: The STS host has failed ten times in a row. The daemon probes it about once a second. When it responds, all calls
    #: go there again.
    CIRCUIT_OPEN = "circuit_open"


class AuthdError(Exception):
    """The root of all exceptions that authd raises on purpose."""


class Denied(AuthdError):
    """The caller's fault: the token is refused, and a retry of the same token has the same result.

    `message` is for an administrator. It contains no secret, and no text from the caller that could forge a log line.
    """

    def __init__(self, reason: DenialReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    def copy(self) -> Denied:
        """Return an equal exception to raise. Raising the same one repeatedly would accumulate tracebacks."""
        return Denied(self.reason, self.message)


class Unavailable(AuthdError):
    """A temporary failure: no decision is possible now, and a retry may succeed."""

    def __init__(self, reason: UnavailableReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    def copy(self) -> Unavailable:
        """Return an equal exception to raise."""
        return Unavailable(self.reason, self.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem of a settings file. `line` and `column` count from 1, and are 0 if the problem has no place."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        """Return `file:line:column: message`, the form that editors and compilers understand."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}"


class ConfigError(AuthdError):
    """The operator's fault: an unusable settings file, with all of its problems."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
