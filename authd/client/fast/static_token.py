"""A token signed with static credentials, without botocore."""

from __future__ import annotations

from authd.client.fast.inputs import MAX_CLUSTER_ID, Inputs
from authd.client.fast.sigv4 import NotOnFastPath, sign_get_caller_identity, token_of
from authd.client.fast.static_credentials import find_static_credentials
from authd.client.fast.timestamps import compact

#: A signature is valid for 15 minutes. A token expires one minute earlier.
TOKEN_SECONDS = 14 * 60
#: A token expires this long before its credentials.
CREDENTIALS_MARGIN_SECONDS = 60


def expiry(now: int, credentials_end: int | None) -> int:
    """Return the expiry of a token signed `now`: before the end of its credentials and after `now`."""
    if credentials_end is None:
        return now + TOKEN_SECONDS
    # Half of the time left for credentials with less than two minutes.
    margin = min(CREDENTIALS_MARGIN_SECONDS, (credentials_end - now) // 2)
    return min(now + TOKEN_SECONDS, credentials_end - margin)


def mint_static(inputs: Inputs, now: int) -> tuple[str, int]:
    """Return a token signed with static credentials, and its expiry in seconds since 1970."""
    if inputs.role() or inputs.options.config is not None:
        raise NotOnFastPath
    cluster_id = (inputs.cluster_id() or "").encode("utf-8", "surrogateescape")
    if len(cluster_id) > MAX_CLUSTER_ID:
        raise NotOnFastPath
    credentials = find_static_credentials(inputs)
    if credentials.expires_at is not None and credentials.expires_at <= now:
        raise NotOnFastPath
    url = sign_get_caller_identity(
        access_key=credentials.access_key,
        secret_key=credentials.secret_key,
        session_token=credentials.session_token,
        host=credentials.host,
        region=credentials.region,
        cluster_id=cluster_id,
        date=compact(now),
    )
    return token_of(url), expiry(now, credentials.expires_at)
