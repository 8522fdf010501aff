"""A token made anew: credentials found, a role assumed if one is asked for, and the request signed."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from authd.client.errors import ClientError
from authd.client.fast import CREDENTIALS_MARGIN_SECONDS, TOKEN_SECONDS, mint_static
from authd.client.inputs import Inputs
from authd.client.keys import Keys
from authd.client.messages import warn
from authd.client.order import Order
from authd.client.sigv4 import EXPIRES_SECONDS, UnusualError, token_of
from authd.client.timestamps import parse_timestamp
from authd.client.watching import watched_lines

if TYPE_CHECKING:
    from authd.client.aws_session import AWSSession
    from authd.client.role_cache import RoleCache

# Authenticators refuse longer ones unless they are told otherwise.
_USUAL_TOKEN_LIMIT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A token, when it was signed and when to give it up, in seconds since 1970."""

    token: str = field(repr=False)
    signed_at: int
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """What a token is signed with and where it leads: the keys, the session they came from, STS's host and region."""

    session: AWSSession
    keys: Keys
    host: str
    region: str

    def sts_client(self, order: Order) -> Any:
        """Return a botocore client for STS that calls with these keys."""
        endpoint = f"https://{order.endpoint}" if order.endpoint else None
        return self.session.botocore.create_client(
            "sts", region_name=self.region, endpoint_url=endpoint, **self.keys.for_client()
        )


def mint(inputs: Inputs, order: Order, roles: RoleCache | None) -> Minted:
    """Return a new token; role credentials come from and go to `roles` if given. Raises ClientError."""
    now = int(time.time())
    try:
        token, expires_at = mint_static(inputs, now)
    except UnusualError:
        return sign_token(find_signer(inputs, order, roles), order)
    return Minted(token=token, signed_at=now, expires_at=expires_at)


def find_signer(inputs: Inputs, order: Order, roles: RoleCache | None) -> Signer:
    """Return what signs the order's token, by botocore's credential chain. Raises ClientError."""
    try:
        import botocore  # noqa: F401, PLC0415
    except ImportError:
        raise ClientError(
            f"botocore, which authd-token needs for all but static credentials, is not installed for {sys.executable}; "
            "install authd again with its dependencies"
        ) from None
    from authd.client.failures import explained  # noqa: PLC0415

    with explained(order):
        return _find_signer(inputs, order, roles)


def _find_signer(inputs: Inputs, order: Order, roles: RoleCache | None) -> Signer:
    from authd.client.aws_session import open_session, use_role_cache  # noqa: PLC0415
    from authd.client.base_credentials import find_base_credentials  # noqa: PLC0415
    from authd.client.role_credentials import assume_role  # noqa: PLC0415
    from authd.client.token_endpoint import token_endpoint  # noqa: PLC0415

    session = open_session(order, interactive=_may_ask(inputs))
    with use_role_cache(session, roles, watched_lines(inputs)):
        keys = find_base_credentials(session)
    host, region = token_endpoint(session, order)
    signer = Signer(session=session, keys=keys, host=host, region=region)
    if order.role is None:
        return signer
    return replace(signer, keys=assume_role(signer, order, order.role, roles))


def sign_token(signer: Signer, order: Order) -> Minted:
    """Return a token for the order's cluster, signed now by botocore's own signer."""
    from botocore.credentials import Credentials  # noqa: PLC0415
    from botocore.hooks import HierarchicalEmitter  # noqa: PLC0415
    from botocore.model import ServiceId  # noqa: PLC0415
    from botocore.signers import RequestSigner  # noqa: PLC0415

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


def _may_ask(inputs: Inputs) -> bool:
    """Tell whether someone can be asked: kubectl says so, or nobody's plugin are we and stdin is a terminal."""
    if inputs.exec_info.given:
        return inputs.exec_info.interactive
    return sys.stdin is not None and sys.stdin.isatty()
