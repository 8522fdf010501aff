"""Classifies error responses of EC2 and STS as permanent or temporary.

Source: Amazon EC2 API reference, "Error codes", and STS API reference, "Common errors".
"""

from __future__ import annotations

import re
from http import HTTPStatus

from authd.aws.xml import InvalidXML, read_xml
from authd.core.errors import DenialReason, Denied, Unavailable, UnavailableReason

_THROTTLED = frozenset(
    {"RequestLimitExceeded", "Throttling", "ThrottlingException", "RequestThrottled", "TooManyRequestsException"}
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_CODE = re.compile(r"[A-Za-z0-9.]{1,100}")


class ExpiredCredentials(Unavailable):
    """AWS refuses the daemon's credentials as expired. New ones may already be available."""


def failure_of(status: int, body: bytes, action: str) -> Denied | Unavailable:
    """Return the exception for an error response to `action`."""
    code = _code_of(body)
    message = f"AWS answered {action} with {status} {code}".rstrip()
    if code in _THROTTLED or status == HTTPStatus.TOO_MANY_REQUESTS:
        return Unavailable(UnavailableReason.INSTANCE_LOOKUP_THROTTLED, message)
    if code in _EXPIRED:
        return ExpiredCredentials(UnavailableReason.INSTANCE_LOOKUP_FAILED, message)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or not code:
        return Unavailable(UnavailableReason.INSTANCE_LOOKUP_FAILED, message)
    return Denied(DenialReason.INSTANCE_LOOKUP_REFUSED, message)


def _code_of(body: bytes) -> str:
    codes: list[str] = []
    try:
        read_xml(body, lambda path, text: codes.append(text) if path.endswith("Error/Code") else None)
    except InvalidXML:
        return ""
    return codes[0] if codes and _CODE.fullmatch(codes[0]) else ""
