"""Credentials of the role that the command line asks for: one AssumeRole call, or what the cache has of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from authd.client.cache.role_cache import RoleCache
from authd.client.credentials import Keys
from authd.client.token_request import Order, RoleOrder

if TYPE_CHECKING:
    from authd.client.aws.signer import Signer

# Enough for a token, which a 15-minute signature ends anyway; a cache makes use of the hour that STS gives.
_UNCACHED_SECONDS = 900
_CACHED_SECONDS = 3600


def assume_role(signer: Signer, order: Order, role: RoleOrder, cache: RoleCache | None) -> Keys:
    """Return the credentials of `role`, assumed with the signer's; raises what botocore raises when STS refuses."""
    if cache is None:
        return _call(signer, order, role, role.duration or _UNCACHED_SECONDS)
    duration = role.duration or _CACHED_SECONDS
    name = cache.name("option", signer.identity, signer.host, signer.region, order.endpoint, role, duration)
    with cache.turn(name):
        keys = cache.load(name)
        if keys is None:
            keys = _call(signer, order, role, duration)
            cache.keep(name, keys)
    return keys


def _call(signer: Signer, order: Order, role: RoleOrder, duration: int) -> Keys:
    client = signer.sts_client(order)
    request: dict[str, Any] = {
        "RoleArn": role.arn,
        "RoleSessionName": _session_name(client, role),
        "DurationSeconds": duration,
    }
    if role.external_id is not None:
        request["ExternalId"] = role.external_id
    answer = client.assume_role(**request)["Credentials"]
    return Keys(
        access_key=answer["AccessKeyId"],
        secret_key=answer["SecretAccessKey"],
        session_token=answer["SessionToken"],
        expires_at=int(answer["Expiration"].timestamp()),
    )


def _session_name(client: Any, role: RoleOrder) -> str:
    if role.session_name is not None:
        return role.session_name
    if role.forward_session_name:
        # The user id of a federated identity is `<id>:<session name>`; a user's has no second part.
        _, _, name = client.get_caller_identity()["UserId"].partition(":")
        if name:
            return str(name)
    return f"authd-token-{int(time.time())}"
