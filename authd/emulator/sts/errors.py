"""The errors of the emulated STS, with STS's codes and messages."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

RECEIVER_FAULT_FROM: Final = HTTPStatus.INTERNAL_SERVER_ERROR


class STSError(Exception):
    """An error response of STS. Source: STS API Reference, "Common Errors"."""

    def __init__(self, code: str, message: str, status: int = HTTPStatus.FORBIDDEN) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.status = int(status)

    @property
    def kind(self) -> str:
        """The party at fault, in the query protocol's terms: `Sender` or `Receiver`."""
        return "Receiver" if self.status >= RECEIVER_FAULT_FROM else "Sender"


def missing_token() -> STSError:
    """Return the error of an unsigned request."""
    return STSError("MissingAuthenticationToken", "Request is missing Authentication Token")


def incomplete_signature(message: str) -> STSError:
    """Return the error of a signature with an absent or unreadable component."""
    return STSError("IncompleteSignature", message, HTTPStatus.BAD_REQUEST)


def signature_mismatch(message: str | None = None) -> STSError:
    """Return the error of a signature whose value, date or scope does not match the request."""
    return STSError(
        "SignatureDoesNotMatch",
        message
        or "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
    )


def invalid_client_token() -> STSError:
    """Return the error of an unknown access key, or of a session token that was not issued with it."""
    return STSError("InvalidClientTokenId", "The security token included in the request is invalid.")


def expired_token() -> STSError:
    """Return the error of expired temporary credentials."""
    return STSError("ExpiredToken", "The security token included in the request is expired")


def access_denied(principal_arn: str, action: str, resource: str) -> STSError:
    """Return the error of a known caller without the permission."""
    return STSError(
        "AccessDenied",
        f"User: {principal_arn} is not authorized to perform: sts:{action} on resource: {resource}",
    )


def validation_error(message: str) -> STSError:
    """Return the error of a parameter that breaks a rule of the API model."""
    return STSError("ValidationError", message, HTTPStatus.BAD_REQUEST)


def constraint_violated(value: str, member: str, constraint: str) -> STSError:
    """Return the error of one parameter that breaks one rule of the API model, in the service's wording."""
    return validation_error(
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
        f"Member must {constraint}"
    )


def invalid_action(action: str, version: str) -> STSError:
    """Return the error of an unknown operation."""
    return STSError("InvalidAction", f"Could not find operation {action} for version {version}", HTTPStatus.BAD_REQUEST)


def region_disabled(account: str) -> STSError:
    """Return the error of a region in which the account has not activated STS."""
    return STSError(
        "RegionDisabledException",
        f"STS is not activated in this region for account:{account}. "
        "Your account administrator can activate STS in this region using the IAM Console.",
    )
