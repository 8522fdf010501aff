"""Parses bearer tokens strictly: "k8s-aws-v1." and a presigned GetCallerIdentity URL in base64url.

Sources: AWS, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)"; RFC 4648 section 5;
RFC 3986 section 2.1 (percent-encoding in capitals, unreserved characters never encoded).

All bytes must match an ASCII grammar before any conversion. The request to STS is rebuilt from the matched parts, so no
second parser reads the caller's own text.
"""

from __future__ import annotations

import re
import struct
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from authd.core.errors import DenialReason, Denied
from authd.core.partitions import STSHosts, UnknownHost

PREFIX = "k8s-aws-v1."

#: In characters. With a chained role's session token, a token has almost 3 KiB. Other implementations accept 4,096.
DEFAULT_MAX_TOKEN_LENGTH = 4096

#: In seconds from the signature's date. STS ignores X-Amz-Expires here.
SIGNATURE_LIFETIME = 900
#: In seconds. STS tolerates a signature's date this far in the future.
MAX_CLOCK_LEAD = 300

_BASE64URL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#: Valid last characters of unpadded base64url, by the length modulo 4. The unused bits of the last character must be
#: zero, so that each URL has exactly one encoding. A remainder of 1 encodes no byte.
_LAST_CHARACTERS = {0: _BASE64URL, 2: _BASE64URL[::16], 3: _BASE64URL[::4]}
#: Translates base64url to base64. Characters outside of the one alphabet become characters outside of the other.
_TO_BASE64 = bytes.maketrans(b"-_+/=", b"+/...")
_URL = re.compile(rb"https://([a-z0-9.-]{1,253})/\?(.+)", re.DOTALL)
_NOT_BASE64URL = "not canonical base64url without padding"
_NOT_A_URL = "not an https URL with a lower-case host name, the path / and a query"
_PRINTABLE = re.compile(rb"[!-~]+")
_DATE = struct.Struct("4s2s2sx2s2s2sx")

#: All parameters of the query, sorted by name, with the grammar of their encoded values. Other parameters and
#: duplicates are refused.
_GRAMMAR: Mapping[bytes, bytes] = {
    b"Action": rb"GetCallerIdentity",
    b"Version": rb"2011-06-15",
    b"X-Amz-Algorithm": rb"AWS4-HMAC-SHA256",
    b"X-Amz-Credential": rb"([A-Z0-9]{16,128})%2F([0-9]{8})%2F([a-z0-9-]{1,40})%2Fsts%2Faws4_request",
    b"X-Amz-Date": rb"([0-9]{8}T[0-9]{6}Z)",
    b"X-Amz-Expires": rb"(0|[1-9][0-9]{0,2})",
    # AWS issues session tokens in base64, which needs only these three escapes.
    b"X-Amz-Security-Token": rb"((?:[A-Za-z0-9._~-]++|%2B|%2F|%3D)+)",
    b"X-Amz-Signature": rb"[0-9a-f]{64}",
    b"X-Amz-SignedHeaders": rb"host%3Bx-k8s-aws-id",
}
_OPTIONAL = b"X-Amz-Security-Token"
#: A whole query with sorted parameters and a `&` before each.
_QUERY = re.compile(
    b"".join((b"(?:&%b=%b)?" if name == _OPTIONAL else b"&%b=%b") % (name, value) for name, value in _GRAMMAR.items())
)


class PresignedRequest(NamedTuple):
    """A checked GetCallerIdentity request.

    `credentials` is the SHA-256 of the access key ID and the session token, the same for all requests of one signer.
    `date` is the signature's, in Unix seconds. `digest` is the SHA-256 of the token in hex. `target` is the path and
    query to send, rebuilt from checked parts. It is as secret as the token.
    """

    host: str
    region: str
    access_key_id: str
    credentials: str
    date: int
    digest: str
    target: str

    @property
    def expiry(self) -> int:
        """End of the signature's lifetime, in Unix seconds."""
        return self.date + SIGNATURE_LIFETIME

    def __repr__(self) -> str:
        return f"<PresignedRequest {self.digest[:12]} to {self.host}>"


def digest(token: str) -> str:
    """Return the token's SHA-256 in hex. Caches use all of it, logs the first 12 digits."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def check_prefix(token: str) -> None:
    """Raise `Denied(foreign_token)` for a token of another authenticator. This is the first and cheapest check."""
    if not token.startswith(PREFIX):
        raise Denied(DenialReason.FOREIGN_TOKEN, "not an AWS IAM token")


@dataclass(frozen=True, slots=True, kw_only=True)
class PresignedTokens:
    """The parser of tokens for the allowed STS `hosts`, up to `max_length` characters."""

    hosts: STSHosts
    max_length: int = DEFAULT_MAX_TOKEN_LENGTH

    def check_prefix(self, text: str) -> None:
        """Raise `Denied(foreign_token)` for a token of another kind."""
        check_prefix(text)

    def parse(self, text: str, /, *, digest: str) -> PresignedRequest:
        """Parse a token without checking its date, see `read_token`."""
        return read_token(text, hosts=self.hosts, max_length=self.max_length, token_digest=digest)

    def check_window(self, request: PresignedRequest, now: float) -> None:
        """Check a token's date, see the function `check_window`."""
        check_window(request, now)


def parse_token(
    token: str,
    *,
    hosts: STSHosts,
    now: float,
    max_length: int = DEFAULT_MAX_TOKEN_LENGTH,
    token_digest: str | None = None,
) -> PresignedRequest:
    """Parse a token at the time `now`, in Unix seconds. Pass `token_digest` if the token's `digest` is already known.

    Raises `Denied`: `foreign_token`, `malformed_token`, `token_expired` or `token_not_yet_valid`.
    """
    request = read_token(token, hosts=hosts, max_length=max_length, token_digest=token_digest)
    check_window(request, now)
    return request


def read_token(
    token: str, *, hosts: STSHosts, max_length: int = DEFAULT_MAX_TOKEN_LENGTH, token_digest: str | None = None
) -> PresignedRequest:
    """Parse a token as `parse_token` does, but without checking its date. Raises `Denied`."""
    check_prefix(token)
    url = _URL.fullmatch(_decode(token, max_length))
    if url is None:
        raise _malformed(_NOT_A_URL)
    query = b"&".join((b"", *sorted(url[2].split(b"&"))))
    match = _QUERY.fullmatch(query)
    if match is None:
        raise _query_error(url[2])
    host = url[1].decode()
    access_key_id, scope_date, scope_region, date_text, expires, session_token = match.groups(b"")
    if int(expires) > SIGNATURE_LIFETIME:
        raise _malformed(f"X-Amz-Expires is over {SIGNATURE_LIFETIME}")
    region = _signing_region(host, hosts)
    if scope_region.decode() != region:
        raise _malformed("the credential scope's region is not that of the host")
    if not date_text.startswith(scope_date):
        raise _malformed("the credential scope's date is not that of X-Amz-Date")
    date = _read_date(date_text)
    return PresignedRequest(
        host=host,
        region=region,
        access_key_id=access_key_id.decode(),
        credentials=sha256(b"%b&%b" % (access_key_id, session_token)).hexdigest(),
        date=date,
        digest=token_digest or digest(token),
        target="/?" + query[1:].decode(),
    )


def _decode(token: str, max_length: int) -> bytes:
    if len(token) > max_length:
        raise _malformed(f"longer than {max_length} characters")
    text = token[len(PREFIX) :].encode("utf-8", "surrogatepass")
    if text[-1:] not in _LAST_CHARACTERS.get(len(text) % 4, b""):
        raise _malformed(_NOT_BASE64URL)
    try:
        return a2b_base64(text.translate(_TO_BASE64) + b"=" * (-len(text) % 4), strict_mode=True)
    except Base64Error:
        raise _malformed(_NOT_BASE64URL) from None


def _query_error(query: bytes) -> Denied:
    """Return the first error of an invalid query."""
    if not _PRINTABLE.fullmatch(query):
        return _malformed(_NOT_A_URL)
    seen: set[bytes] = set()
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name not in _GRAMMAR:
            return _malformed("a parameter that GetCallerIdentity does not take, or not in its canonical spelling")
        if name in seen:
            return _malformed(f"the parameter {name.decode()} is duplicated")
        if not re.fullmatch(_GRAMMAR[name], value):
            return _malformed(f"the parameter {name.decode()} has a value that is not allowed here")
        seen.add(name)
    missing = next(name for name in _GRAMMAR if name not in seen and name != _OPTIONAL)
    return _malformed(f"the parameter {missing.decode()} is missing")


def _signing_region(host: str, hosts: STSHosts) -> str:
    try:
        return hosts.signing_region(host)
    except UnknownHost as error:
        raise _malformed(str(error)) from None


@lru_cache(maxsize=64)  # many tokens are signed within the same few seconds
def _read_date(text: bytes) -> int:
    year, month, day, hour, minute, second = map(int, _DATE.unpack(text))
    try:
        return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:
        raise _malformed("X-Amz-Date is not a date of the calendar") from None


def check_window(request: PresignedRequest, now: float) -> None:
    """Raise `Denied` if STS would refuse the signature for its date: `token_expired` or `token_not_yet_valid`."""
    date = request.date
    if now > date + SIGNATURE_LIFETIME:
        raise Denied(
            DenialReason.TOKEN_EXPIRED,
            f"the token was signed {int(now - date)} seconds ago and expired after {SIGNATURE_LIFETIME}: "
            "mint a new one, and check the caller's clock",
        )
    if date > now + MAX_CLOCK_LEAD:
        raise Denied(
            DenialReason.TOKEN_NOT_YET_VALID,
            f"the token was signed {int(date - now)} seconds in the future: check the clocks of the caller "
            "and of this host",
        )


def _malformed(fault: str) -> Denied:
    return Denied(DenialReason.MALFORMED_TOKEN, f"malformed token: {fault}")
