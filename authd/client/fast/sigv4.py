"""A presigned GetCallerIdentity request signed by hand, byte for byte as botocore's query signer writes it.

Source: AWS, "Signature Version 4 signing process" (query parameters). hmac and base64 are written out here,
because importing them takes longer than the signing. botocore signs unusual values, see `minting`.
"""

from __future__ import annotations

from binascii import b2a_base64

try:
    from _sha2 import sha256  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    try:
        # Its name before Python 3.12. Both are built in, whereas hashlib loads OpenSSL.
        from _sha256 import sha256  # type: ignore[import-not-found, no-redef, unused-ignore]
    except ImportError:  # a build of Python that leaves hashing to OpenSSL
        from hashlib import sha256

__all__ = ["EXPIRES_SECONDS", "TOKEN_PREFIX", "NotOnFastPath", "sha256", "sign_get_caller_identity", "token_of"]

TOKEN_PREFIX = "k8s-aws-v1."  # noqa: S105  # a public prefix
# STS ignores it and accepts a signature for 15 minutes. Verifiers before 0.4 require at most 60.
EXPIRES_SECONDS = 60
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
_SESSION_TOKEN_BYTES = _UNRESERVED + b"+/="
_PRINTABLE = bytes(range(0x21, 0x7F))
_BLOCK = 64
_INNER = int.from_bytes(b"\x36" * _BLOCK, "big")
_OUTER = int.from_bytes(b"\x5c" * _BLOCK, "big")
_EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class NotOnFastPath(Exception):
    """The fast path might give another result than botocore."""


def sign_get_caller_identity(
    *, access_key: bytes, secret_key: bytes, session_token: bytes, host: str, region: str, cluster_id: bytes, date: str
) -> str:
    """Return the presigned URL. `date` is `yyyymmddThhmmssZ` in UTC. An empty session token means none.

    Raises NotOnFastPath if a value is empty or has characters that botocore may treat differently.
    """
    _require(access_key, _UNRESERVED)
    _require(secret_key, _PRINTABLE)
    _require(cluster_id, _PRINTABLE)
    token = ""
    if session_token:
        _require(session_token, _SESSION_TOKEN_BYTES)
        token = session_token.decode().replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
        token = f"X-Amz-Security-Token={token}&"
    day = date[:8]
    head = (
        "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential={access_key.decode()}%2F{day}%2F{region}%2Fsts%2Faws4_request"
        f"&X-Amz-Date={date}&X-Amz-Expires={EXPIRES_SECONDS}&"
    )
    signed_headers = "X-Amz-SignedHeaders=host%3Bx-k8s-aws-id"
    canonical = (
        f"GET\n/\n{head}{token}{signed_headers}\nhost:{host}\nx-k8s-aws-id:{cluster_id.decode()}\n\n"
        f"host;x-k8s-aws-id\n{_EMPTY_SHA256}"
    )
    to_sign = f"AWS4-HMAC-SHA256\n{date}\n{day}/{region}/sts/aws4_request\n{sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + secret_key
    for part in (day, region, "sts", "aws4_request", to_sign):
        key = _hmac(key, part.encode())
    return f"https://{host}/?{head}{signed_headers}&{token}X-Amz-Signature={key.hex()}"


def token_of(url: str) -> str:
    """Return the bearer token for a presigned URL: a fixed prefix and base64url without padding."""
    text = b2a_base64(url.encode(), newline=False).decode()
    return TOKEN_PREFIX + text.rstrip("=").replace("+", "-").replace("/", "_")


def _require(value: bytes, allowed: bytes) -> None:
    if not value or value.translate(None, allowed):
        raise NotOnFastPath


def _hmac(key: bytes, message: bytes) -> bytes:
    # RFC 2104, with SHA-256 and its block of 64 bytes.
    if len(key) > _BLOCK:
        key = sha256(key).digest()
    number = int.from_bytes(key.ljust(_BLOCK, b"\0"), "big")
    inner = sha256((number ^ _INNER).to_bytes(_BLOCK, "big") + message).digest()
    return bytes(sha256((number ^ _OUTER).to_bytes(_BLOCK, "big") + inner).digest())
