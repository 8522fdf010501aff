"""Tokens for programs: `get_token` and `exec_credential`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from time import time

from authd.client.fast.errors import UsageError
from authd.client.fast.exec_credential import V1, V1ALPHA1, V1BETA1, ExecInfo
from authd.client.fast.flags import Options
from authd.client.fast.inputs import Inputs
from authd.client.fast.sigv4 import NotOnFastPath
from authd.client.fast.static_token import mint_static
from authd.client.fast.timestamps import rfc3339

# Type checkers take it as true. Importing it from typing takes longer than signing a token.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_VERSIONS = {"v1": V1, "v1beta1": V1BETA1, "v1alpha1": V1ALPHA1}


class Token:
    """A bearer token. `value` is the text, `expires_at` an aware datetime in UTC, at most 14 minutes ahead."""

    __slots__ = ("expires_at", "value")

    def __init__(self, value: str, expires_at: datetime) -> None:
        self.value = value
        self.expires_at = expires_at

    def __repr__(self) -> str:
        """Show the expiry only."""
        return f"Token(<redacted>, expires_at={self.expires_at!r})"


def get_token(
    cluster_id: str,
    *,
    role: str | None = None,
    profile: str | None = None,
    region: str | None = None,
    session: Any = None,
    external_id: str | None = None,
    session_name: str | None = None,
    duration: int | None = None,
    endpoint: str | None = None,
    cache: bool = False,
) -> Token:
    """Return a token for a cluster.

    Credentials come from botocore's chain, or from `session`, a boto3 or botocore session. The other arguments are the
    options of authd-token: `role` is the ARN of a role to assume, with `external_id`, `session_name` and `duration` in
    seconds (900 to 43,200). `region` and `endpoint` choose the STS host. With `cache`, tokens and role credentials are
    kept on disk and shared with authd-token. The process's environment is read but never changed.

    Raises ClientError with a message for the user.
    """
    options = Options()
    options.cluster_id, options.profile, options.region, options.endpoint = cluster_id, profile, region, endpoint
    # An empty role means none, even with DEFAULT_ROLE.
    options.role = role or ""
    options.external_id, options.session_name, options.cache = external_id, session_name, cache
    options.duration = None if duration is None else str(duration)
    if session is not None and (profile is not None or cache):
        raise UsageError("a session brings its own credentials; give neither profile nor cache beside it")
    value, expires_at = _fast(options) if session is None else _full(options, session)
    return Token(value, datetime.fromtimestamp(expires_at, UTC))


def exec_credential(cluster_id: str, *, api_version: str = "v1beta1", **options: Any) -> dict[str, Any]:
    """Return an ExecCredential, as credential plugins print it, with a token of `get_token` and its options.

    `api_version` is v1, v1beta1 or v1alpha1. Raises ClientError.
    """
    if api_version not in _VERSIONS:
        raise UsageError(f"api_version must be one of {', '.join(_VERSIONS)}, not {api_version!r}")
    token = get_token(cluster_id, **options)
    return {
        "kind": "ExecCredential",
        "apiVersion": _VERSIONS[api_version],
        "spec": {},
        "status": {"expirationTimestamp": rfc3339(int(token.expires_at.timestamp())), "token": token.value},
    }


def _fast(options: Options) -> tuple[str, int]:
    try:
        inputs = Inputs(options, ExecInfo(present=False), dict(os.environb))
        if options.cache or options.external_id or options.session_name or options.duration:
            raise NotOnFastPath
        return mint_static(inputs, int(time()))
    except NotOnFastPath:
        return _full(options, None)


def _full(options: Options, session: Any) -> tuple[str, int]:
    from authd.client.api.full import mint

    return mint(options, session)
