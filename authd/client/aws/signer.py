"""What a token is signed with: credentials from botocore's chain, and a role assumed with them if one is asked for."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from authd.client.cache.fingerprints import watched_lines
from authd.client.fast.errors import ClientError

if TYPE_CHECKING:
    from authd.client.aws.session import AWSSession
    from authd.client.cache.role_cache import RoleCache
    from authd.client.credentials import Keys
    from authd.client.fast.inputs import Inputs
    from authd.client.token_request import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """The keys, the session that they came from, whose they are in one word, and STS's host and region."""

    session: AWSSession
    keys: Keys
    identity: str
    host: str
    region: str

    def sts_client(self, order: Order) -> Any:
        """Return a botocore client for STS that calls with these keys."""
        endpoint = f"https://{order.endpoint}" if order.endpoint else None
        return self.session.botocore.create_client(
            "sts", region_name=self.region, endpoint_url=endpoint, **self.keys.for_client()
        )


def find_signer(inputs: Inputs, order: Order, roles: RoleCache | None) -> Signer:
    """Return what signs the order's token, by botocore's credential chain. Raises ClientError."""
    try:
        import botocore  # noqa: F401
    except ImportError:
        raise ClientError(
            f"botocore, which authd-token needs for all but static credentials, is not installed for {sys.executable}; "
            "install authd again with its dependencies"
        ) from None
    from authd.client.aws.error_messages import explained

    with explained(order):
        return _find_signer(inputs, order, roles)


def _find_signer(inputs: Inputs, order: Order, roles: RoleCache | None) -> Signer:
    from authd.client.aws.role_credentials import assume_role
    from authd.client.aws.session import open_session, use_role_cache
    from authd.client.aws.source_credentials import find_base_credentials
    from authd.client.aws.sts_endpoint import token_endpoint

    session = open_session(order, inputs.exec_info)
    with use_role_cache(session, roles, watched_lines(inputs)):
        keys, method = find_base_credentials(session)
    host, region = token_endpoint(session, order)
    # Identity Center gives other keys at every call; its login tells who it is.
    identity = repr(watched_lines(inputs)) if method == "sso" else keys.access_key
    signer = Signer(session=session, keys=keys, identity=identity, host=host, region=region)
    if order.role is None:
        return signer
    return replace(signer, keys=assume_role(signer, order, order.role, roles))
