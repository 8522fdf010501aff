"""The root of all errors, and the closed lists of reasons in responses, logs and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DenialReason(StrEnum):
    """Reasons for a final refusal. The values are stable and documented in docs/reasons.md."""

    FOREIGN_TOKEN = "foreign_token"
    MALFORMED_TOKEN = "malformed_token"
    TOKEN_EXPIRED = "token_expired"
    TOKEN_NOT_YET_VALID = "token_not_yet_valid"
    SIGNATURE_MISMATCH = "signature_mismatch"
    SIGNATURE_EXPIRED = "signature_expired"
    CREDENTIALS_EXPIRED = "credentials_expired"
    UNKNOWN_ACCESS_KEY = "unknown_access_key"
    STS_ACCESS_DENIED = "sts_access_denied"
    STS_REGION_DISABLED = "sts_region_disabled"
    STS_REFUSED = "sts_refused"
    AUDIENCE_MISMATCH = "audience_mismatch"
    UNSUPPORTED_IDENTITY = "unsupported_identity"
    IDENTITY_NOT_MAPPED = "identity_not_mapped"
    USERNAME_NOT_RENDERED = "username_not_rendered"
    USERNAME_RESERVED = "username_reserved"
    INSTANCE_NAME_UNKNOWN = "instance_name_unknown"
    INSTANCE_LOOKUP_REFUSED = "instance_lookup_refused"
    INTERNAL_ERROR = "internal_error"


#: Refusals without an `error`, which kube-apiserver caches for two minutes. They depend on the token's text alone, and
#: tokens for other authenticators arrive by the thousand.
SILENT_REASONS = frozenset({DenialReason.FOREIGN_TOKEN, DenialReason.MALFORMED_TOKEN})


class UnavailableReason(StrEnum):
    """Reasons for a temporary failure. The values are stable and documented in docs/reasons.md."""

    STS_THROTTLED = "sts_throttled"
    STS_ERROR = "sts_error"
    STS_BAD_ANSWER = "sts_bad_answer"
    STS_UNREACHABLE = "sts_unreachable"
    STS_TIMEOUT = "sts_timeout"
    INSTANCE_LOOKUP_THROTTLED = "instance_lookup_throttled"
    INSTANCE_LOOKUP_FAILED = "instance_lookup_failed"
    INSTANCE_LOOKUP_TIMEOUT = "instance_lookup_timeout"
    OVERLOADED = "overloaded"
    CIRCUIT_OPEN = "circuit_open"


class AuthdError(Exception):
    """The root of all exceptions that authd raises on purpose."""


class Denied(AuthdError):
    """The caller's fault: the token is refused, and a retry with it has the same result.

    `message` is for an administrator. It contains no secret, and no text of the caller's that could forge a log line.
    """

    def __init__(self, reason: DenialReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    def copy(self) -> Denied:
        """Return an equal exception to raise. Raising the same one again and again would collect tracebacks."""
        return Denied(self.reason, self.message)


class Unavailable(AuthdError):
    """Nobody's fault: no decision is possible now, and a retry may succeed."""

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
