"""New tokens, signed by this package for plain static credentials and by botocore for all others."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authd.client.aws.credential_chain import find_signer
from authd.client.aws.signer import Signer
from authd.client.fast.inputs import Inputs
from authd.client.fast.sigv4 import EXPIRES_SECONDS, NotOnFastPath, token_of
from authd.client.fast.static_token import expiry, mint_static
from authd.client.fast.timestamps import parse_timestamp
from authd.client.output.messages import warn
from authd.client.request.credentials import Credentials
from authd.client.request.token_request import TokenRequest

if TYPE_CHECKING:
    from authd.client.cache.role_cache import RoleCache

# Default limit of authenticators.
_USUAL_TOKEN_LIMIT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A token with the times of its signing and expiry, in seconds since 1970."""

    token: str = field(repr=False)
    signed_at: int
    expires_at: int


def mint(inputs: Inputs, request: TokenRequest, roles: RoleCache | None) -> Minted:
    """Return a new token. Role credentials are read from and written to `roles` if given. Raises ClientError."""
    now = int(time.time())
    try:
        token, expires_at = mint_static(inputs, now)
    except NotOnFastPath:
        return sign_token(find_signer(inputs, request, roles), request)
    return Minted(token=token, signed_at=now, expires_at=expires_at)


def sign_token(signer: Signer, request: TokenRequest) -> Minted:
    """Return a token for the requested cluster, signed now by botocore's signer."""
    from botocore.credentials import Credentials as BotocoreCredentials
    from botocore.hooks import HierarchicalEmitter
    from botocore.model import ServiceId
    from botocore.signers import RequestSigner

    keys = signer.keys
    credentials = BotocoreCredentials(keys.access_key, keys.secret_key, keys.session_token or None)
    emitter = HierarchicalEmitter()
    url = RequestSigner(ServiceId("STS"), signer.region, "sts", "v4", credentials, emitter).generate_presigned_url(
        {
            "method": "GET",
            "url": f"https://{signer.host}/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {},
            "headers": {"x-k8s-aws-id": request.cluster_id},
            "context": {},
        },
        "GetCallerIdentity",
        expires_in=EXPIRES_SECONDS,
        region_name=signer.region,
    )
    return _minted(url, keys)


def _minted(url: str, keys: Credentials) -> Minted:
    date = url.partition("&X-Amz-Date=")[2][:16]
    signed_at = parse_timestamp(f"{date[:4]}-{date[4:6]}-{date[6:8]}T{date[9:11]}:{date[11:13]}:{date[13:15]}Z")
    token = token_of(url)
    if len(token) > _USUAL_TOKEN_LIMIT:
        warn(
            f"the token has {len(token)} characters and many authenticators refuse more than {_USUAL_TOKEN_LIMIT}; "
            "role chains and session tags make session tokens long"
        )
    return Minted(token=token, signed_at=signed_at, expires_at=expiry(signed_at, keys.expires_at))
