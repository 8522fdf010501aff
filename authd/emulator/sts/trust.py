"""Checks that a principal may assume a role, and the duration of the session."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from authd.emulator.sts.errors import STSError, access_denied, validation_error

if TYPE_CHECKING:
    from authd.emulator.directory.principals import Principal, Role
    from authd.emulator.sts.parameters import Parameters

EVERYBODY: Final = "*"
#: The longest session of a role assumed by a role session: IAM User Guide, "Role chaining".
LONGEST_CHAINED_SECONDS: Final = 3600


def check_trust(role: Role, arn: str, principal: Principal, parameters: Parameters) -> None:
    """Raise `STSError` AccessDenied unless the role's trust policy allows the principal on these conditions."""
    trusted = EVERYBODY in role.trusts or role.trusts & principal.known_as
    right_external_id = role.external_id is None or role.external_id == parameters.optional("ExternalId")
    if not (trusted and right_external_id):
        raise access_denied(principal.arn, "AssumeRole", arn)
    if role.mfa_serial is not None and role.mfa_code is not None:
        _check_mfa(role.mfa_serial, role.mfa_code, access_denied(principal.arn, "AssumeRole", arn), parameters)


def _check_mfa(serial: str, code: str, without_mfa: STSError, parameters: Parameters) -> None:
    given_serial, given_code = parameters.optional("SerialNumber"), parameters.optional("TokenCode")
    if given_serial is None and given_code is None:
        raise without_mfa
    if given_serial != serial:
        raise STSError(
            "AccessDenied",
            "MultiFactorAuthentication failed, unable to validate MFA code.  "
            "Please verify your MFA serial number is valid and associated with this user.",
        )
    if not hmac.compare_digest((given_code or "").encode(), code.encode()):
        raise STSError("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code. ")


def check_duration(role: Role, principal: Principal | None, seconds: int) -> None:
    """Raise `STSError` ValidationError if the session is too long for the role or for role chaining."""
    if principal is not None and principal.is_role_session and seconds > LONGEST_CHAINED_SECONDS:
        raise validation_error(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    if seconds > role.max_session_seconds:
        raise validation_error("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
