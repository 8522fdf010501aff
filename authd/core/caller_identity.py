"""Parses STS's response to GetCallerIdentity into a checked identity, or into the reason for its failure.

Sources: AWS STS API reference, "GetCallerIdentity" and "Common errors"; IAM user guide, "Unique identifiers".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from authd.core.arn import InvalidArn, PrincipalArn, PrincipalKind, parse_arn
from authd.core.errors import DenialReason, Denied, Unavailable, UnavailableReason
from authd.core.strict_json import InvalidJson, parse_object

#: In bytes. A response of STS has about 450. Bounds the memory that a hostile server can occupy.
MAX_RESPONSE_LENGTH = 16_384

_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
#: A unique ID has a prefix for the kind of principal, then capital letters and digits.
_PRINCIPAL_IDS: Mapping[PrincipalKind, re.Pattern[str]] = {
    PrincipalKind.ROLE: re.compile(r"AROA[A-Z0-9]{1,124}"),
    PrincipalKind.USER: re.compile(r"AIDA[A-Z0-9]{1,124}"),
}

#: Status codes of HTTP (RFC 9110, section 15).
_OK, _TOO_MANY_REQUESTS, _CLIENT_ERRORS, _FIRST_SERVER_ERROR = 200, 429, range(400, 500), 500

_THROTTLING = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "LimitExceededException",
        "SlowDown",
    }
)
_TRANSIENT = frozenset({"InternalFailure", "InternalError", "ServiceUnavailable", "RequestTimeout"})

_REFUSALS: Mapping[str, tuple[DenialReason, str]] = {
    "ExpiredToken": (
        DenialReason.CREDENTIALS_EXPIRED, "STS says the caller's session has expired: sign in to AWS again"),
    "ExpiredTokenException": (
        DenialReason.CREDENTIALS_EXPIRED, "STS says the caller's session has expired: sign in to AWS again"),
    "InvalidClientTokenId": (
        DenialReason.UNKNOWN_ACCESS_KEY,
        "STS does not know the access key or its session token: deleted, inactive, or of another partition"),
    "SignatureDoesNotMatch": (
        DenialReason.SIGNATURE_MISMATCH,
        "STS says the signature does not match: the token is for another cluster ID, or the secret key is wrong"),
    "AccessDenied": (
        DenialReason.STS_ACCESS_DENIED, "STS denies this caller GetCallerIdentity"),
    "RegionDisabledException": (
        DenialReason.STS_REGION_DISABLED,
        "STS is not activated in this region for the caller's account: activate it, or mint with another --region"),
}  # fmt: skip


class CallerIdentity(NamedTuple):
    """The caller's identity, confirmed by STS.

    `principal_id` is the unique ID without the session name. A federated user's contains the user's name, since the
    account ID alone is the root user's. `key` is the canonical ARN in lower case. `request_id` is the ID that STS gave
    the call, empty if it gave none.
    """

    arn: PrincipalArn
    arn_text: str
    canonical_arn: str
    key: str
    principal_id: str
    access_key_id: str
    request_id: str = ""

    @property
    def session_name(self) -> str:
        """The name of a role's session, empty for all other callers, as aws-iam-authenticator reports it in `extra`."""
        return self.arn.session if self.arn.kind is PrincipalKind.ROLE else ""

    @property
    def template_values(self) -> Mapping[str, str]:
        """The values of the placeholders in user and group names.

        `SessionName` has `-` in place of `@`, so that an e-mail address can be part of a host name.
        """
        return {
            "AccountID": self.arn.account,
            "SessionName": self.arn.session.replace("@", "-"),
            "SessionNameRaw": self.arn.session,
            "AccessKeyID": self.access_key_id,
        }


def unconfirmed_identity(arn: PrincipalArn) -> CallerIdentity:
    """Return the identity of an ARN without a call to STS. Placeholders stand for the parts that only a login has."""
    if arn.kind is PrincipalKind.ROLE and not arn.session:
        arn = PrincipalArn(
            partition=arn.partition,
            account=arn.account,
            kind=arn.kind,
            path="/",
            name=arn.name,
            session="{{SessionName}}",
        )
    return CallerIdentity(
        arn=arn,
        arn_text=arn.canonical,
        canonical_arn=arn.canonical,
        key=arn.key,
        principal_id="",
        access_key_id="{{AccessKeyID}}",
    )


def parse_response(*, status: int, body: bytes, partition: str, access_key_id: str) -> CallerIdentity:
    """Parse a complete response of STS to GetCallerIdentity. `body` is without transfer or content encoding.

    Raises `Denied` if STS refuses the request, or if it names a caller that can't be mapped. Raises `Unavailable` for
    temporary failures: throttling, STS's own errors, and responses that are not in STS's format.
    """
    if status == _OK:
        return _identity(body, partition, access_key_id)
    if status == _TOO_MANY_REQUESTS:
        raise Unavailable(UnavailableReason.STS_THROTTLED, "STS is throttling")
    if status >= _FIRST_SERVER_ERROR:
        raise Unavailable(UnavailableReason.STS_ERROR, f"STS answered with status {status}")
    raise _refusal(status, body)


def _refusal(status: int, body: bytes) -> Denied | Unavailable:
    error = _error(status, body)
    code = error.get("Code")
    if code in _THROTTLING:
        return Unavailable(UnavailableReason.STS_THROTTLED, "STS is throttling")
    if code in _TRANSIENT:
        return Unavailable(UnavailableReason.STS_ERROR, f"STS answered {code}")
    if code == "SignatureDoesNotMatch" and str(error.get("Message")).startswith("Signature "):
        return Denied(DenialReason.SIGNATURE_EXPIRED, "STS says the signature has expired or is not valid yet")
    other = (DenialReason.STS_REFUSED, f"STS refused the request with an error of status {status}")
    reason, message = _REFUSALS.get(str(code), other)
    return Denied(reason, message)


def _error(status: int, body: bytes) -> dict[str, object]:
    """Return the error object of a response. A response without one, such as a redirect, is not from STS."""
    try:
        if status not in _CLIENT_ERRORS:
            raise InvalidJson("an unexpected status")
        error = _member(parse_object(body, MAX_RESPONSE_LENGTH), "Error")
        _text(error, "Code")
    except InvalidJson:
        what = f"STS answered with status {status} and a body that is not an STS error"
        raise Unavailable(UnavailableReason.STS_BAD_ANSWER, what) from None
    return error


def _identity(body: bytes, partition: str, access_key_id: str) -> CallerIdentity:
    try:
        account, arn_text, user_id, request_id = _parts(body)
    except InvalidJson as error:
        raise Unavailable(UnavailableReason.STS_BAD_ANSWER, f"STS's answer is not a caller identity: {error}") from None
    try:
        arn = parse_arn(arn_text)
        principal_id = _principal_id(arn, user_id)
        if account != arn.account or arn.partition != partition:
            raise InvalidArn("the ARN has another account or partition")
    except InvalidArn as error:
        # The cause is the caller's choice of credentials, not a failure of STS. For example, STS accepts an EC2
        # instance's own identity, which can't be mapped.
        raise Denied(
            DenialReason.UNSUPPORTED_IDENTITY, f"STS names a caller that can't be mapped to a user: {error}"
        ) from None
    canonical_arn = arn.canonical
    return CallerIdentity(
        arn=arn,
        arn_text=arn_text,
        canonical_arn=canonical_arn,
        key=canonical_arn.lower(),
        principal_id=principal_id,
        access_key_id=access_key_id,
        request_id=request_id if _REQUEST_ID.fullmatch(request_id) else "",
    )


def _parts(body: bytes) -> Iterable[str]:
    """Return the account, ARN, user ID and request ID."""
    response = _member(parse_object(body, MAX_RESPONSE_LENGTH), "GetCallerIdentityResponse")
    result = _member(response, "GetCallerIdentityResult")
    return _text(result, "Account"), _text(result, "Arn"), _text(result, "UserId"), _request_id(response)


def _member(parent: Mapping[str, object], name: str) -> dict[str, object]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise InvalidJson(f"{name} is missing")
    return value


def _text(parent: Mapping[str, object], name: str) -> str:
    value = parent.get(name)
    if not isinstance(value, str):
        raise InvalidJson(f"{name} is missing")
    return value


def _request_id(response: Mapping[str, object]) -> str:
    metadata = response.get("ResponseMetadata")
    value = metadata.get("RequestId") if isinstance(metadata, dict) else None
    return value if isinstance(value, str) else ""


def _principal_id(arn: PrincipalArn, user_id: str) -> str:
    principal, separator, session = user_id.partition(":")
    if arn.kind is PrincipalKind.ROLE and not arn.session:
        raise InvalidArn("it is a role, and only sessions of a role can sign requests")
    grammar = _PRINCIPAL_IDS.get(arn.kind)  # root and federated users have the account's number instead
    fits = principal == arn.account if grammar is None else grammar.fullmatch(principal) is not None
    if not fits or session != arn.session or bool(separator) != bool(arn.session):
        raise InvalidArn("UserId does not match the ARN")
    return user_id if arn.kind is PrincipalKind.FEDERATED_USER else principal
