"""Temporary credentials, issued and recognised without storage.

As with STS, a session token carries its own state: the grant, authenticated with a key of this emulator. The secret key
is derived from the same key. So a load test that assumes a role a million times needs no memory for them.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from authd.emulator.sts.errors import invalid_client_token

if TYPE_CHECKING:
    from collections.abc import Callable

_SEAL_BYTES: Final = 32
_LENGTH_BYTES: Final = 2
_KEY_ID_RANDOM_BYTES: Final = 10
_SECRET_LENGTH: Final = 40
#: Gives tokens the constant beginning of STS's.
_TOKEN_VERSION: Final = b"!\x0a\x09origin_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The identity of temporary credentials: a role's ARN and a session name, until `expires` (since 1970)."""

    role_arn: str
    session_name: str
    expires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryCredentials:
    """The credentials of AssumeRole's result."""

    key_id: str
    secret: str = field(repr=False)
    session_token: str = field(repr=False)
    expires: int


class SessionIssuer:
    """Seals grants into session tokens and opens them again.

    `entropy` returns a number of random bytes. The key of the seal is random, so an emulator rejects the tokens of
    another.
    """

    def __init__(self, entropy: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._entropy = entropy
        self._seal_key = entropy(_SEAL_BYTES)

    def issue(self, grant: Grant, token_length: int) -> TemporaryCredentials:
        """Issue credentials for the grant, with the token padded to about `token_length` characters."""
        key_id = "ASIA" + base64.b32encode(self._entropy(_KEY_ID_RANDOM_BYTES)).decode("ascii")
        state = json.dumps([key_id, grant.role_arn, grant.session_name, grant.expires]).encode()
        content = _TOKEN_VERSION + len(state).to_bytes(_LENGTH_BYTES, "big") + state
        padding = max(0, token_length * 3 // 4 - len(content) - _SEAL_BYTES)
        content += self._entropy(padding)
        return TemporaryCredentials(
            key_id=key_id,
            secret=self.secret_of(key_id),
            session_token=base64.b64encode(content + self._seal(content)).decode("ascii"),
            expires=grant.expires,
        )

    def secret_of(self, key_id: str) -> str:
        """Return the secret key of an issued key ID."""
        digest = hmac.digest(self._seal_key, b"secret:" + key_id.encode(), "sha256")
        return base64.b64encode(digest)[:_SECRET_LENGTH].decode("ascii")

    def open(self, key_id: str, session_token: str) -> Grant:
        """Return the grant. Raises `STSError` InvalidClientTokenId unless this token was issued with this key ID."""
        try:
            sealed = base64.b64decode(session_token, validate=True)
        except ValueError:
            raise invalid_client_token() from None
        content, seal = sealed[:-_SEAL_BYTES], sealed[-_SEAL_BYTES:]
        # Several base64 texts decode to the same bytes. Only the issued one is valid.
        is_canonical = base64.b64encode(sealed).decode("ascii") == session_token
        if not (hmac.compare_digest(seal, self._seal(content)) and is_canonical):
            raise invalid_client_token()
        start = len(_TOKEN_VERSION) + _LENGTH_BYTES
        length = int.from_bytes(content[len(_TOKEN_VERSION) : start], "big")
        sealed_key_id, role_arn, session_name, expires = json.loads(content[start : start + length])
        if sealed_key_id != key_id:
            raise invalid_client_token()
        return Grant(role_arn=role_arn, session_name=session_name, expires=expires)

    def _seal(self, content: bytes) -> bytes:
        return hmac.digest(self._seal_key, b"seal:" + content, "sha256")
