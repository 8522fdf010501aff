"""Checks of settings whose faults botocore reports unclearly, or not at all."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from authd.client.fast.errors import ClientError, UsageError
from authd.client.request import grammar
from authd.client.request.token_request import TokenRequest

_SWITCHES = ("use_fips_endpoint", "use_dualstack_endpoint")
_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


def configured_region(request: TokenRequest, scoped: dict[str, Any], profile: str) -> str | None:
    """Return the region of the option, the environment or the profile, in this order."""
    if request.region:
        return request.region
    for variable in _REGION_VARIABLES:
        value = os.environ.get(variable)
        if value:
            return grammar.region(value, variable)
    value = scoped.get("region")
    return grammar.region(value, f"the region of the profile {profile!r}") if value else None


def check_switches(scoped: dict[str, Any], profile: str) -> None:
    """Raise UsageError for a switch of the endpoint that is neither true nor false."""
    for name in _SWITCHES:
        variable = f"AWS_{name.upper()}"
        if os.environ.get(variable):
            grammar.boolean(os.environ[variable], variable)
        elif scoped.get(name):
            grammar.boolean(str(scoped[name]), f"{name} of the profile {profile!r}")


def check_endpoints(scoped: dict[str, Any], profile: str) -> None:
    """Raise UsageError if the first endpoint, which is in force, is not a URL.

    Its text may contain a password, so it is not shown.
    """
    settings = {name: os.environ.get(name) for name in ("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL")}
    settings[f"endpoint_url of the profile {profile!r}"] = scoped.get("endpoint_url")
    setting, value = next(((setting, value) for setting, value in settings.items() if value), ("", None))
    if isinstance(value, str) and not _is_url(value):
        raise UsageError(f"{setting} is not a URL; write one such as https://sts.eu-west-1.amazonaws.com")


def _is_url(text: str) -> bool:
    try:
        parts, _ = urlsplit(text), urlsplit(text).port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def check_sources(request: TokenRequest, scoped: dict[str, Any], profile: str) -> None:
    """Raise ClientError for malformed settings of the credentials that botocore is going to use."""
    if request.profile is None:
        key_id = os.environ.get("AWS_ACCESS_KEY_ID")
        if key_id == "" and os.environ.get("AWS_SECRET_ACCESS_KEY"):
            raise UsageError("AWS_ACCESS_KEY_ID is empty though AWS_SECRET_ACCESS_KEY is set; set both or neither")
        if key_id:
            return
    if scoped.get("role_arn"):
        try:
            grammar.role_arn(scoped["role_arn"])
        except UsageError as error:
            raise UsageError(f"role_arn of the profile {profile!r}: {error}") from None
        if scoped.get("role_session_name"):
            grammar.session_name(scoped["role_session_name"], f"role_session_name of the profile {profile!r}")
        # As in botocore, the variable goes before the profile's file.
        overridden = request.profile is None and os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE")
        if scoped.get("web_identity_token_file") and not overridden:
            _check_token_file(scoped["web_identity_token_file"], f"web_identity_token_file of the profile {profile!r}")
    elif request.profile is None:
        _check_web_identity()


def _check_web_identity() -> None:
    path, role = os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"), os.environ.get("AWS_ROLE_ARN")
    if not path:
        return
    if not role:
        raise UsageError("AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is not; set it to the role to assume")
    try:
        grammar.role_arn(role)
    except UsageError as error:
        raise UsageError(f"AWS_ROLE_ARN: {error}") from None
    if os.environ.get("AWS_ROLE_SESSION_NAME"):
        grammar.session_name(os.environ["AWS_ROLE_SESSION_NAME"], "AWS_ROLE_SESSION_NAME")
    _check_token_file(path, "AWS_WEB_IDENTITY_TOKEN_FILE")


def _check_token_file(path: str, setting: str) -> None:
    try:
        with open(path, "rb") as file:
            content = file.read(1)
    except OSError as error:
        raise ClientError(
            f"{setting} names {path}, which cannot be read: {error.strerror}; "
            "in a pod, check that the service account's token is mounted"
        ) from None
    if not content:
        raise ClientError(f"{setting} names {path}, which is empty; write a token into it")


def malformed_variable() -> str | None:
    """Return a message about a variable that botocore can't convert, or None."""
    for name in ("AWS_MAX_ATTEMPTS", "AWS_METADATA_SERVICE_TIMEOUT", "AWS_METADATA_SERVICE_NUM_ATTEMPTS"):
        value = os.environ.get(name)
        if value and not (value.isascii() and value.isdigit()):
            return f"{name} is {value!r} and must be a number; correct or unset it"
    value = os.environ.get("AWS_CREDENTIAL_EXPIRATION")
    if value and not _is_time(value):
        return f"AWS_CREDENTIAL_EXPIRATION is {value!r} and must be a time such as 2030-01-31T12:00:00Z"
    return None


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
