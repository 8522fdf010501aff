"""botocore's session, configured for a credential plugin: known region, no unexpected prompts, short timeouts."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from authd.client.aws.context.settings_check import check_endpoints, check_sources, check_switches, configured_region
from authd.client.aws.credential_process import limit_credential_processes
from authd.client.aws.instance_metadata import BoundedMetadataFetcher, limit_instance_metadata
from authd.client.aws.mfa import ask_for_code
from authd.client.cache.role_cache import ProfileRoleCache, RoleCache
from authd.client.fast.exec_credential import ExecInfo
from authd.client.fast.sts_host import GLOBAL_REGION
from authd.client.output.process import is_own_process
from authd.client.request.token_request import TokenRequest

_CONNECT_SECONDS = 5
_READ_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class AWSSession:
    """A botocore session with the region of STS. `regionless` means that no setting names a region."""

    botocore: Any
    region: str
    regionless: bool
    metadata: BoundedMetadataFetcher


def open_session(request: TokenRequest, info: ExecInfo) -> AWSSession:
    """Return a session for the requested profile and region. Raises botocore's exceptions for broken settings.

    `info` decides whether the user may be asked for an MFA code.
    """
    with _without_pyopenssl():
        import botocore.config
        import botocore.session
        import botocore.signers
    session = botocore.session.Session(profile=request.profile)
    if request.profile is None:
        # botocore prefers AWS_DEFAULT_PROFILE, and reads an empty variable as a name.
        name = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or None
        session.get_component("config_store").set_config_variable("profile", name)
    scoped = session.get_scoped_config()
    profile = session.get_config_variable("profile") or "default"
    check_switches(scoped, profile)
    if not session.get_config_variable("ignore_configured_endpoint_urls"):
        check_endpoints(scoped, profile)
    region = configured_region(request, scoped, profile)
    session.set_config_variable("region", region or GLOBAL_REGION)
    if not region:
        # botocore's legacy setting gives the global endpoint for us-east-1.
        session.set_config_variable("sts_regional_endpoints", "legacy")
    elif not os.environ.get("AWS_STS_REGIONAL_ENDPOINTS"):
        session.set_config_variable("sts_regional_endpoints", scoped.get("sts_regional_endpoints") or "regional")
    session.set_default_client_config(
        # `auto` defaults would request the region from the instance metadata.
        botocore.config.Config(connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, defaults_mode="legacy")
    )
    resolver = session.get_component("credential_provider")
    resolver.get_provider("assume-role")._prompter = ask_for_code(info)
    limit_credential_processes(resolver)
    check_sources(request, scoped, profile)
    return AWSSession(
        botocore=session,
        region=region or GLOBAL_REGION,
        regionless=not region,
        metadata=limit_instance_metadata(session, resolver),
    )


@contextlib.contextmanager
def use_role_cache(session: AWSSession, roles: RoleCache | None, login_state: bytes) -> Iterator[None]:
    """Cache the roles that the profile chains in `roles`, for as long as the files in `login_state` don't change."""
    if roles is None:
        yield
        return
    resolver = session.botocore.get_component("credential_provider")
    cache = ProfileRoleCache(roles, login_state)
    for method in ("assume-role", "assume-role-with-web-identity"):
        resolver.get_provider(method).cache = cache
    try:
        yield
    finally:
        cache.close()


@contextlib.contextmanager
def _without_pyopenssl() -> Iterator[None]:
    """Keep botocore from loading pyOpenSSL, which is unused but takes a quarter of its start time."""
    name = "urllib3.contrib.pyopenssl"
    if not is_own_process() or name in sys.modules or "botocore.httpsession" in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # None makes its import fail
    try:
        yield
    finally:
        sys.modules.pop(name, None)
