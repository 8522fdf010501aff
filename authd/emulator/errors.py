"""What the emulated STS says no with, in STS's own codes and words."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

RECEIVER_FAULT_FROM: Final = HTTPStatus.INTERNAL_SERVER_ERROR


class EmulatorError(Exception):
    """What was given to the emulator itself (its directory, its options) can't be used; the text says why."""


class STSError(Exception):
    """An error answer of STS: a status, a code and a sentence, as in the STS API Reference, "Common Errors"."""

    def __init__(self, code: str, message: str, status: int = HTTPStatus.FORBIDDEN) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.status = int(status)

    @property
    def kind(self) -> str:
        """Who is to blame in the words of the query protocol: ``Sender`` or ``Receiver``."""
        return "Receiver" if self.status >= RECEIVER_FAULT_FROM else "Sender"


def missing_token() -> STSError:
    """Say that nobody signed the request."""
    return STSError("MissingAuthenticationToken", "Request is missing Authentication Token")


def incomplete_signature(message: str) -> STSError:
    """Say that a component of the signature is absent or unreadable."""
    return STSError("IncompleteSignature", message, HTTPStatus.BAD_REQUEST)


def signature_mismatch(message: str | None = None) -> STSError:
    """Say that the signature, its date or its scope does not fit the request that carries it."""
    return STSError(
        "SignatureDoesNotMatch",
        message
        or "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
    )


def invalid_client_token() -> STSError:
    """Say that the access key is unknown, or the session token isn't the one that was issued with it."""
    return STSError("InvalidClientTokenId", "The security token included in the request is invalid.")


def expired_token() -> STSError:
    """Say that the temporary credentials were good once."""
    return STSError("ExpiredToken", "The security token included in the request is expired")


def access_denied(principal_arn: str, action: str, resource: str) -> STSError:
    """Say that the caller is known and may not do this."""
    return STSError(
        "AccessDenied",
        f"User: {principal_arn} is not authorized to perform: sts:{action} on resource: {resource}",
    )


def validation_error(message: str) -> STSError:
    """Say that a parameter breaks a rule of the API model."""
    return STSError("ValidationError", message, HTTPStatus.BAD_REQUEST)


def constraint_violated(value: str, member: str, constraint: str) -> STSError:
    """Say that one parameter breaks one rule of the API model, as the service's own validation does."""
    return validation_error(
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
        f"Member must {constraint}"
    )


def invalid_action(action: str, version: str) -> STSError:
    """Say that there is no such operation here."""
    return STSError("InvalidAction", f"Could not find operation {action} for version {version}", HTTPStatus.BAD_REQUEST)


def region_disabled(account: str) -> STSError:
    """Say that the account's administrator has not activated STS in the region."""
    return STSError(
        "RegionDisabledException",
        f"STS is not activated in this region for account:{account}. "
        "Your account administrator can activate STS in this region using the IAM Console.",
    )
