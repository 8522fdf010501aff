"""The one root of errors, and the closed list of reasons that answers, logs and metrics use."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DenialReason(StrEnum):
    """Why a token is refused for good; the values are stable and documented in docs/reasons.md."""

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
    INTERNAL_ERROR = "internal_error"


#: Refusals that carry no `error`, so that kube-apiserver remembers them for two minutes: they depend on
#: the token's text alone, and other people's tokens arrive by the thousand.
SILENT_REASONS = frozenset({DenialReason.FOREIGN_TOKEN, DenialReason.MALFORMED_TOKEN})


class UnavailableReason(StrEnum):
    """Why no decision could be made just now; the values are stable and documented in docs/reasons.md."""

    STS_THROTTLED = "sts_throttled"
    STS_ERROR = "sts_error"
    STS_BAD_ANSWER = "sts_bad_answer"
    STS_UNREACHABLE = "sts_unreachable"
    STS_TIMEOUT = "sts_timeout"
    OVERLOADED = "overloaded"
    CIRCUIT_OPEN = "circuit_open"


class AuthdError(Exception):
    """The root of everything that authd raises on purpose."""


class Denied(AuthdError):
    """The caller's fault: the token is refused, and asking again with it changes nothing.

    `message` is for an administrator; it holds no secret and nothing that the caller could have forged
    into another line of a log.
    """

    def __init__(self, reason: DenialReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    def copy(self) -> Denied:
        """Return an equal one to raise: raising the same one over and over would collect tracebacks."""
        return Denied(self.reason, self.message)


class Unavailable(AuthdError):
    """The world's fault: no decision was possible now, and asking again may help."""

    def __init__(self, reason: UnavailableReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    def copy(self) -> Unavailable:
        """Return an equal one to raise."""
        return Unavailable(self.reason, self.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a settings file: `line` and `column` count from 1, 0 where there is no place."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        """Return `file:line:column: message`, as editors and compilers understand it."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}"


class ConfigError(AuthdError):
    """The operator's fault: a settings file that can't be used, with every problem found in it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
