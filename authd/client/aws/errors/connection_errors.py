"""Messages about connections to AWS that fail: unreachable hosts, proxies, and certificates that aren't trusted."""

from __future__ import annotations

import os
import ssl
from typing import Any
from urllib.parse import urlsplit

from botocore import exceptions

from authd.client.aws.context.profiles import Profiles
from authd.client.request.token_request import TokenRequest

_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def connection_message(error: exceptions.BotoCoreError, request: TokenRequest, profiles: Profiles) -> str | None:
    """Return a message about a failed connection, or None for another kind of error."""
    if not isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        return None
    bundle = _bundle_fault(profiles)
    if bundle is not None:
        return bundle
    if isinstance(error, exceptions.ProxyConnectionError):
        return f"the proxy that {_proxy_setting()} names cannot be reached; correct or unset it"
    url = str(error.kwargs.get("endpoint_url", ""))
    host = _host(url)
    setting = _endpoint_setting(host, request, profiles)
    named = f"{host}, the host that {setting} names" if setting else host or "AWS"
    if isinstance(error, exceptions.SSLError):
        return _tls_message(str(error), named)
    reason = _reason(error)
    if reason is None:
        # botocore's message may repeat a header, such as the session token, or a proxy's password.
        return "the call to AWS failed; check HTTPS_PROXY, AWS_CA_BUNDLE and the credentials for odd characters"
    remedy = f"correct {setting} or unset it" if setting else "check the network, HTTPS_PROXY and the region's name"
    return f"cannot reach {named}: {reason}; {remedy}"


def _host(url: str) -> str | None:
    try:
        parts, port = urlsplit(url), urlsplit(url).port
    except ValueError:
        return None
    return f"{parts.hostname}:{port}" if port else parts.hostname


def _reason(error: exceptions.BotoCoreError) -> str | None:
    if isinstance(error, exceptions.ConnectTimeoutError | exceptions.ReadTimeoutError):
        return "no response in time"
    if isinstance(error, exceptions.ConnectionClosedError):
        return "the connection was closed"
    if not isinstance(error, exceptions.EndpointConnectionError):
        return None
    text = str(error.kwargs.get("error", ""))
    if "refused" in text:
        return "nothing listens on that port"
    if "resolve" in text or "Name or service" in text or "nodename" in text:
        return "there is no such host name"
    return "the connection failed"


def _endpoint_setting(host: str | None, request: TokenRequest, profiles: Profiles) -> str | None:
    places: list[tuple[str, Any]] = [
        ("--endpoint", f"https://{request.endpoint}" if request.endpoint else None),
        *((name, os.environ.get(name)) for name in ("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL")),
        (f"endpoint_url of the profile {profiles.label!r}", profiles.settings.get("endpoint_url")),
    ]
    for setting, value in places:
        if host is not None and isinstance(value, str) and _host(value) == host:
            return setting
    return None


def _tls_message(text: str, named: str) -> str:
    if "WRONG_VERSION_NUMBER" in text or "record layer" in text:
        return f"{named} does not speak TLS; check the port and the scheme of the endpoint"
    if "has expired" in text or "not yet valid" in text:
        return f"the certificate of {named} is not valid now; check this machine's clock and the server's certificate"
    if "mismatch" in text or "doesn't match" in text:
        return f"the certificate of {named} is for another host name; check the endpoint and the proxy"
    return (
        f"the certificate of {named} is not trusted; if a company proxy inspects TLS, set AWS_CA_BUNDLE to a PEM file "
        "with its CA certificate"
    )


def _bundle_fault(profiles: Profiles) -> str | None:
    """Return a message about an unusable CA bundle, or None."""
    settings = [(os.environ.get("AWS_CA_BUNDLE"), "AWS_CA_BUNDLE")]
    settings += [(profiles.settings.get("ca_bundle"), f"ca_bundle of the profile {profiles.label!r}")]
    settings += [(os.environ.get("REQUESTS_CA_BUNDLE"), "REQUESTS_CA_BUNDLE")]
    path, setting = next(((path, setting) for path, setting in settings if path), (None, ""))
    if path is None:
        return None
    try:
        if os.path.isdir(path):
            return f"{setting} names {path}, which is a folder; name a PEM file with CA certificates"
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        return f"{setting} names {path}, which has no PEM certificates; name a PEM file with CA certificates"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a path"
        return f"{setting} names {path}, which cannot be read: {reason}; correct the path or unset it"
    return None


def _proxy_setting() -> str:
    return next((name for name in _PROXIES if os.environ.get(name)), "HTTPS_PROXY")
