"""The credentials, host and region that sign a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from authd.client.aws.session import AWSSession
    from authd.client.request.credentials import Credentials
    from authd.client.request.token_request import TokenRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Credentials with their session, and the host and region of STS.

    `identity` distinguishes identities in cache keys.
    """

    session: AWSSession
    keys: Credentials
    identity: str
    host: str
    region: str

    def sts_client(self, request: TokenRequest) -> Any:
        """Return a botocore client for STS that uses these credentials."""
        endpoint = f"https://{request.endpoint}" if request.endpoint else None
        return self.session.botocore.create_client(
            "sts", region_name=self.region, endpoint_url=endpoint, **self.keys.for_client()
        )
