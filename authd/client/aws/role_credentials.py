"""Credentials of the role in the request, from the cache or by one AssumeRole call."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from authd.client.cache.role_cache import RoleCache
from authd.client.request.credentials import Credentials
from authd.client.request.token_request import RoleRequest, TokenRequest

if TYPE_CHECKING:
    from authd.client.aws.signer import Signer

# The minimum, which suffices for one token. A cache benefits from STS's default of an hour.
_UNCACHED_SECONDS = 900
_CACHED_SECONDS = 3600


def assume_role(signer: Signer, request: TokenRequest, role: RoleRequest, cache: RoleCache | None) -> Credentials:
    """Return the credentials of `role`, assumed with the signer's credentials. Raises botocore's exceptions."""
    if cache is None:
        return _call(signer, request, role, role.duration or _UNCACHED_SECONDS)
    duration = role.duration or _CACHED_SECONDS
    name = cache.name("option", signer.identity, signer.host, signer.region, request.endpoint, role, duration)
    with cache.exclusive(name):
        keys = cache.load(name)
        if keys is None:
            keys = _call(signer, request, role, duration)
            cache.save(name, keys)
    return keys


def _call(signer: Signer, request: TokenRequest, role: RoleRequest, duration: int) -> Credentials:
    client = signer.sts_client(request)
    parameters: dict[str, Any] = {
        "RoleArn": role.arn,
        "RoleSessionName": _session_name(client, role),
        "DurationSeconds": duration,
    }
    if role.external_id is not None:
        parameters["ExternalId"] = role.external_id
    return Credentials.from_response(client.assume_role(**parameters))


def _session_name(client: Any, role: RoleRequest) -> str:
    if role.session_name is not None:
        return role.session_name
    if role.forward_session_name:
        # The user ID of a session is `<id>:<session name>`. A user's has no second part.
        _, _, name = client.get_caller_identity()["UserId"].partition(":")
        if name:
            return str(name)
    return f"authd-token-{int(time.time())}"
