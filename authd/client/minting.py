"""A token made anew: signed by hand where the credentials are static and plain, else by botocore."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authd.client.aws.signer import Signer, find_signer
from authd.client.credentials import Keys
from authd.client.fast.inputs import Inputs
from authd.client.fast.sigv4 import EXPIRES_SECONDS, NotOnFastPath, token_of
from authd.client.fast.static_token import CREDENTIALS_MARGIN_SECONDS, TOKEN_SECONDS, mint_static
from authd.client.fast.timestamps import parse_timestamp
from authd.client.messages import warn
from authd.client.token_request import Order

if TYPE_CHECKING:
    from authd.client.cache.role_cache import RoleCache

# Authenticators refuse longer ones unless they are told otherwise.
_USUAL_TOKEN_LIMIT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A token, when it was signed and when to give it up, in seconds since 1970."""

    token: str = field(repr=False)
    signed_at: int
    expires_at: int


def mint(inputs: Inputs, order: Order, roles: RoleCache | None) -> Minted:
    """Return a new token; role credentials come from and go to `roles` if given. Raises ClientError."""
    now = int(time.time())
    try:
        token, expires_at = mint_static(inputs, now)
    except NotOnFastPath:
        return sign_token(find_signer(inputs, order, roles), order)
    return Minted(token=token, signed_at=now, expires_at=expires_at)


def sign_token(signer: Signer, order: Order) -> Minted:
    """Return a token for the order's cluster, signed now by botocore's own signer."""
    from botocore.credentials import Credentials
    from botocore.hooks import HierarchicalEmitter
    from botocore.model import ServiceId
    from botocore.signers import RequestSigner

    keys = signer.keys
    credentials = Credentials(keys.access_key, keys.secret_key, keys.session_token or None)
    emitter = HierarchicalEmitter()
    url = RequestSigner(ServiceId("STS"), signer.region, "sts", "v4", credentials, emitter).generate_presigned_url(
        {
            "method": "GET",
            "url": f"https://{signer.host}/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {},
            "headers": {"x-k8s-aws-id": order.cluster_id},
            "context": {},
        },
        "GetCallerIdentity",
        expires_in=EXPIRES_SECONDS,
        region_name=signer.region,
    )
    return _minted(url, keys)


def _minted(url: str, keys: Keys) -> Minted:
    date = url.partition("&X-Amz-Date=")[2][:16]
    signed_at = parse_timestamp(f"{date[:4]}-{date[4:6]}-{date[6:8]}T{date[9:11]}:{date[11:13]}:{date[13:15]}Z")
    expires_at = signed_at + TOKEN_SECONDS
    if keys.expires_at is not None:
        expires_at = min(expires_at, keys.expires_at - CREDENTIALS_MARGIN_SECONDS)
    token = token_of(url)
    if len(token) > _USUAL_TOKEN_LIMIT:
        warn(
            f"the token has {len(token)} characters and many authenticators refuse more than {_USUAL_TOKEN_LIMIT}; "
            "role chains and session tags make session tokens long"
        )
    return Minted(token=token, signed_at=signed_at, expires_at=expires_at)
