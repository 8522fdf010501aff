"""Verifies Signature Version 4 over the bytes as received.

Source: IAM User Guide, "Create a signed AWS API request". It shares no code with the rest of authd, because it tests
that code. The query is compared as received: a client that re-encodes a signed URL
(`%2f` for `%2F`, `+` for `%20`) is rejected.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from authd.emulator.sts.authorization import ALGORITHM, TERMINATOR, Authorization
from authd.emulator.sts.errors import signature_mismatch

if TYPE_CHECKING:
    from authd.emulator.sts.request import WireRequest

SERVICE: Final = "sts"
#: The validity of a signature, independent of X-Amz-Expires.
OLDEST_SECONDS: Final = 15 * 60
#: The clock of a signer may be ahead by this time.
NEWEST_SECONDS: Final = 5 * 60
_EMPTY_SHA256: Final = hashlib.sha256(b"").hexdigest()
_TIMESTAMP = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")
_SPACES = re.compile(rb" +")


def check_date(authorization: Authorization, now: float) -> None:
    """Raise STSError SignatureDoesNotMatch unless the signature was made within the window around `now`."""
    stamp = authorization.timestamp
    signed_at = _seconds(stamp)
    if stamp[:8] != authorization.scope.date:
        raise signature_mismatch(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{authorization.scope.date[:16]}' != '{stamp[:8]}', from '{stamp}'."
        )
    if signed_at < now - OLDEST_SECONDS:
        raise signature_mismatch(
            f"Signature expired: {stamp} is now earlier than {_stamp(now - OLDEST_SECONDS)} "
            f"({_stamp(now)} - {OLDEST_SECONDS // 60} min.)"
        )
    if signed_at > now + NEWEST_SECONDS:
        raise signature_mismatch(
            f"Signature not yet current: {stamp} is still later than {_stamp(now + NEWEST_SECONDS)} "
            f"({_stamp(now)} + {NEWEST_SECONDS // 60} min.)"
        )


def check_scope(authorization: Authorization, region: str | None, service: str = SERVICE) -> None:
    """Raise STSError SignatureDoesNotMatch unless the scope is STS in the host's region."""
    if authorization.scope.service != service:
        raise signature_mismatch(f"Credential should be scoped to correct service: '{service}'.")
    if region is None or authorization.scope.region != region:
        raise signature_mismatch("Credential should be scoped to a valid region.")


def check_signature(request: WireRequest, authorization: Authorization, secret: str) -> None:
    """Raise STSError SignatureDoesNotMatch unless the owner of `secret` signed exactly this request."""
    canonical = canonical_request(request, authorization)
    to_sign = "\n".join(
        (ALGORITHM, authorization.timestamp, authorization.scope.text, hashlib.sha256(canonical).hexdigest())
    )
    scope = authorization.scope
    key = signing_key(secret, scope.date, scope.region, scope.service)
    expected = hmac.digest(key, to_sign.encode("latin-1"), "sha256").hex()
    if not hmac.compare_digest(expected.encode(), authorization.signature.encode("latin-1")):
        raise signature_mismatch()


def canonical_request(request: WireRequest, authorization: Authorization) -> bytes:
    """Return the canonical request. Raises `STSError` if a signed header is absent or Host is unsigned."""
    if "host" not in authorization.signed_headers:
        raise signature_mismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    names = [name.encode("latin-1") for name in authorization.signed_headers]
    return b"\n".join(
        (
            request.method,
            request.path,
            b"&".join(b"%b=%b" % pair for pair in sorted(authorization.query)),
            *(_canonical_header(request, name) for name in sorted(names)),
            b"",
            b";".join(names),
            (hashlib.sha256(request.body).hexdigest() if request.body else _EMPTY_SHA256).encode(),
        )
    )


@lru_cache(maxsize=4096)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Derive the key that signs for one day, region and service."""
    key = b"AWS4" + secret.encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode("latin-1"), "sha256")
    return key


def _canonical_header(request: WireRequest, name: bytes) -> bytes:
    values = request.header_values(name)
    if not values:
        raise signature_mismatch()
    return name + b":" + b",".join(_SPACES.sub(b" ", value.strip()) for value in values)


def _seconds(stamp: str) -> float:
    match = _TIMESTAMP.fullmatch(stamp)
    try:
        year, month, day, hour, minute, second = map(int, match.groups() if match else ())
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        raise signature_mismatch(
            "Date must be in ISO-8601 'basic format'. See http://en.wikipedia.org/wiki/ISO_8601"
        ) from None


def _stamp(seconds: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))
