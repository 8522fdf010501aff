"""The STS host and signing region of a token, from the settings that the AWS SDKs share."""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from authd.client.aws.session import AWSSession
from authd.client.fast.sigv4 import NotOnFastPath
from authd.client.fast.sts_host import GLOBAL_HOST, GLOBAL_REGION, regional_host
from authd.client.request.token_request import TokenRequest

_REGION_IN_HOST = re.compile(r"(?:^|\.)sts(?:-fips)?\.(?P<region>[a-z]{2,8}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2})\.")


def token_endpoint(session: AWSSession, request: TokenRequest) -> tuple[str, str]:
    """Return the host and the signing region. A region in the host's name overrides every setting."""
    host, region = request.endpoint, session.region
    if host is None:
        host, region = _default_endpoint(session) or _configured_endpoint(session)
    if host == GLOBAL_HOST:
        return host, GLOBAL_REGION
    match = _REGION_IN_HOST.search(host)
    return host, match["region"] if match else region


def _default_endpoint(session: AWSSession) -> tuple[str, str] | None:
    """Return the default endpoint without the cost of a botocore client, or None if a setting might change it."""
    settings = session.botocore.get_config_variable
    scoped = session.botocore.get_scoped_config()
    changed = (
        settings("use_fips_endpoint")
        or settings("use_dualstack_endpoint")
        or settings("data_path")
        or settings("sts_regional_endpoints") != ("legacy" if session.regionless else "regional")
        or "endpoint_url" in scoped
        or "services" in scoped
        or any(name.startswith("AWS_ENDPOINT_URL") for name in os.environ)
        or os.path.isdir(os.path.expanduser("~/.aws/models"))
    )
    if changed:
        return None
    if session.regionless:
        return GLOBAL_HOST, GLOBAL_REGION
    try:
        return regional_host(session.region), session.region
    except NotOnFastPath:
        return None


def _configured_endpoint(session: AWSSession) -> tuple[str, str]:
    url, region = _presigned(session, None)
    if url.scheme == "https" and url.port is None and url.path in ("", "/") and url.hostname and not url.username:
        return url.hostname, region
    # A token can't name an endpoint with a port or path (a test double, a proxy), so only calls use it.
    from botocore.config import Config

    url, region = _presigned(session, Config(ignore_configured_endpoint_urls=True))
    return str(url.hostname), region


def _presigned(session: AWSSession, config: Any) -> tuple[Any, str]:
    client = session.botocore.create_client(
        "sts",
        aws_access_key_id="AKIDUNUSED",
        aws_secret_access_key="unused",  # noqa: S106 -- only the URL's host and region are used
        config=config,
    )
    url = urlsplit(client.generate_presigned_url("get_caller_identity"))
    return url, parse_qs(url.query)["X-Amz-Credential"][0].split("/")[2]
