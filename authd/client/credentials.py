"""The keys that sign a token, wherever they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """AWS credentials; `session_token` is empty for long-lived keys, `expires_at` in seconds since 1970 or None."""

    access_key: str
    secret_key: str
    session_token: str
    expires_at: int | None

    def __repr__(self) -> str:
        """Name the key id, which is no secret, and nothing else."""
        return f"Keys({self.access_key}, <redacted>)"

    def for_client(self) -> dict[str, Any]:
        """Return the keyword arguments that give these keys to a botocore client."""
        return {
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
            "aws_session_token": self.session_token or None,
        }
