"""Classifies tokens of other authenticators for the metrics, without verifying them."""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from enum import StrEnum

#: The parts of a signed JWT (RFC 7515, section 3.1), and the base64url of its header's first bytes, `{"`.
_JWT_PARTS = 3
_JWT_START = "eyJ"
#: In characters. Longer payloads are cut: Kubernetes' own tokens have the searched claims near the beginning.
_MAX_PAYLOAD = 4_096
_TO_BASE64 = str.maketrans("-_", "+/")


class ForeignToken(StrEnum):
    """Classes of foreign tokens. The values are labels of a metric."""

    SERVICE_ACCOUNT = "service_account"
    OIDC = "oidc"
    OTHER = "other"


def classify(token: str) -> ForeignToken:
    """Return the class of a token by its shape: a JWT of a service account, another JWT, or anything else."""
    if not token.startswith(_JWT_START):
        return ForeignToken.OTHER
    parts = token.split(".", _JWT_PARTS)
    if len(parts) != _JWT_PARTS:
        return ForeignToken.OTHER
    text = parts[1][:_MAX_PAYLOAD].translate(_TO_BASE64)
    try:
        payload = a2b_base64(text[: len(text) // 4 * 4])
    except (Base64Error, ValueError):
        return ForeignToken.OTHER
    is_service_account = b'"system:serviceaccount:' in payload or b'"kubernetes.io"' in payload
    return ForeignToken.SERVICE_ACCOUNT if is_service_account else ForeignToken.OIDC
