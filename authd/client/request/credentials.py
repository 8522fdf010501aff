"""AWS credentials from any source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """AWS credentials. `session_token` is empty for long-lived keys. `expires_at` is in seconds since 1970, or None."""

    access_key: str
    secret_key: str
    session_token: str
    expires_at: int | None

    @classmethod
    def from_response(cls, response: dict[str, Any]) -> Credentials:
        """Return the credentials of a response to AssumeRole or AssumeRoleWithWebIdentity."""
        found = response["Credentials"]
        return cls(
            access_key=found["AccessKeyId"],
            secret_key=found["SecretAccessKey"],
            session_token=found["SessionToken"],
            expires_at=int(found["Expiration"].timestamp()),
        )

    def __repr__(self) -> str:
        """Show only the access key ID, which is no secret."""
        return f"Credentials({self.access_key}, <redacted>)"

    def for_client(self) -> dict[str, Any]:
        """Return these credentials as keyword arguments for a botocore client."""
        return {
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
            "aws_session_token": self.session_token or None,
        }
