"""The parts of a Signature Version 4 authorization, read from the query or from the Authorization header.

Source: IAM User Guide, "AWS Signature Version 4 for API requests", "Elements of a request signature".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from authd.emulator.sts.errors import STSError, incomplete_signature, missing_token, signature_mismatch
from authd.emulator.sts.request import query_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authd.emulator.sts.request import WireRequest

ALGORITHM: Final = "AWS4-HMAC-SHA256"
TERMINATOR: Final = "aws4_request"
_SCOPE_PARTS: Final = 5
#: Unusual, but as in the STS API Reference, "Common Errors".
_MALFORMED_QUERY_STATUS: Final = 404

_QUERY_NAMES: Final = {
    b"X-Amz-Algorithm",
    b"X-Amz-Credential",
    b"X-Amz-Date",
    b"X-Amz-SignedHeaders",
    b"X-Amz-Signature",
}
_SIGNATURE_NAMES: Final = _QUERY_NAMES | {b"X-Amz-Security-Token"}
_HEADER_FIELD = re.compile(r"\s*([A-Za-z]+)=([^,\s]*)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A credential: the key id and the scope of its signing key."""

    key_id: str
    date: str
    region: str
    service: str

    @property
    def text(self) -> str:
        """The scope as it appears in the string to sign."""
        return f"{self.date}/{self.region}/{self.service}/{TERMINATOR}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """The signature of a request with its parameters. `query` is the signed part of the query."""

    scope: Scope
    timestamp: str
    signed_headers: tuple[str, ...]
    signature: str = field(repr=False)
    session_token: str | None = field(repr=False)
    query: tuple[tuple[bytes, bytes], ...] = field(repr=False)


def read_authorization(request: WireRequest) -> Authorization:
    """Read the authorization of a request.

    Raises STSError: MissingAuthenticationToken, IncompleteSignature, SignatureDoesNotMatch (a scope with
    another end) or MalformedQueryString (a parameter of the signature given twice).
    """
    pairs = query_pairs(request.query)
    header = request.header(b"authorization")
    if header is not None:
        return _from_header(request, header, pairs)
    if any(name in _QUERY_NAMES for name, _ in pairs):
        return _from_query(pairs)
    raise missing_token()


def _from_query(pairs: list[tuple[bytes, bytes]]) -> Authorization:
    ours = [(name, value) for name, value in pairs if name in _SIGNATURE_NAMES]
    values = {name.decode(): _decoded(value) for name, value in ours}
    if len(values) != len(ours):
        raise STSError("MalformedQueryString", "A parameter of the signature is given twice", _MALFORMED_QUERY_STATUS)
    missing = sorted(name.decode() for name in _QUERY_NAMES if not values.get(name.decode()))
    if missing:
        required = " ".join(f"AWS query-string parameters must include '{name}'." for name in missing)
        raise incomplete_signature(f"{required} Re-examine the query-string parameters.")
    _require_algorithm(values["X-Amz-Algorithm"])
    return Authorization(
        scope=_read_scope(values["X-Amz-Credential"]),
        timestamp=values["X-Amz-Date"],
        signed_headers=tuple(values["X-Amz-SignedHeaders"].split(";")),
        signature=values["X-Amz-Signature"],
        session_token=values.get("X-Amz-Security-Token"),
        query=tuple(pair for pair in pairs if pair[0] != b"X-Amz-Signature"),
    )


def _from_header(request: WireRequest, header: bytes, pairs: list[tuple[bytes, bytes]]) -> Authorization:
    algorithm, _, fields = header.decode("latin-1").partition(" ")
    _require_algorithm(algorithm)
    values = _header_fields(fields)
    timestamp = request.header(b"x-amz-date")
    missing = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if not values.get(name)
    ]
    if timestamp is None:
        missing.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if missing or timestamp is None:
        raise incomplete_signature(" ".join(missing))
    token = request.header(b"x-amz-security-token")
    return Authorization(
        scope=_read_scope(values["Credential"]),
        timestamp=timestamp.decode("latin-1"),
        signed_headers=tuple(values["SignedHeaders"].split(";")),
        signature=values["Signature"],
        session_token=token.decode("latin-1") if token is not None else None,
        query=tuple(pairs),
    )


def _header_fields(text: str) -> Mapping[str, str]:
    matches = [_HEADER_FIELD.fullmatch(part) for part in text.split(",")]
    fields = [(match[1], match[2]) for match in matches if match]
    if len(fields) != len(matches) or len(dict(fields)) != len(fields):
        raise incomplete_signature(
            "Invalid key=value pair (missing equal-sign or given twice) in Authorization header."
        )
    return dict(fields)


def _require_algorithm(algorithm: str) -> None:
    if algorithm != ALGORITHM:
        raise incomplete_signature(f"Unsupported AWS 'algorithm': '{algorithm[:40]}' (only {ALGORITHM} for now)")


def _read_scope(credential: str) -> Scope:
    parts = credential.split("/")
    if len(parts) != _SCOPE_PARTS or not all(parts):
        raise incomplete_signature(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term"
        )
    key_id, date, region, service, terminator = parts
    if terminator != TERMINATOR:
        raise signature_mismatch(f"Credential should be scoped with a valid terminator: '{TERMINATOR}'.")
    return Scope(key_id=key_id, date=date, region=region, service=service)


def _decoded(value: bytes) -> str:
    return (unquote_to_bytes(value) if b"%" in value else value).decode("latin-1")
