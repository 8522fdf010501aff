"""Credentials from botocore's chain, or a message that lists the places searched."""

from __future__ import annotations

import os
import time
from typing import Any

from authd.client.aws.context.clock import clock_message
from authd.client.aws.context.profiles import FILE_VARIABLES, Profiles
from authd.client.aws.errors.sts_errors import EXPIRED
from authd.client.aws.key_check import check_keys
from authd.client.aws.session import AWSSession
from authd.client.fast.errors import ClientError
from authd.client.fast.inputs import Inputs
from authd.client.request.credentials import Credentials
from authd.client.request.token_request import TokenRequest


def find_source_credentials(session: AWSSession, inputs: Inputs, request: TokenRequest) -> tuple[Credentials, str]:
    """Return the credentials of the session's profile, and botocore's name of their source.

    Raises ClientError if there are none or they have expired, and botocore's exceptions (see `error_messages`).
    """
    found = session.botocore.get_credentials()
    if found is None or found.method == "iam-role":
        _require_readable(inputs)
    if found is None:
        raise ClientError(Profiles(request).fault() or _not_found(session))
    wrong_clock = clock_message(session.metadata.clock_ahead, "the instance metadata service")
    if wrong_clock is not None:
        raise ClientError(wrong_clock)
    return checked_credentials(session, found), str(found.method)


def checked_credentials(session: AWSSession, found: Any) -> Credentials:
    """Return botocore's credentials `found`. Raises ClientError if they are malformed or have expired."""
    frozen = found.get_frozen_credentials()
    # botocore has no public attribute for the expiry.
    expiry: Any = getattr(found, "_expiry_time", None)
    keys = Credentials(
        access_key=frozen.access_key,
        secret_key=frozen.secret_key,
        session_token=frozen.token or "",
        expires_at=int(expiry.timestamp()) if expiry is not None else None,
    )
    check_keys(session.botocore, str(found.method), (keys.access_key, keys.secret_key, keys.session_token))
    if keys.expires_at is not None and keys.expires_at <= time.time():
        raise ClientError(EXPIRED)
    return keys


def _require_readable(inputs: Inputs) -> None:
    """Raise ClientError for an unreadable shared file, which could have had the credentials."""
    for path, reason in inputs.unreadable:
        raise ClientError(f"{path} cannot be read: {reason}; make it a file that you can read, or remove it")


def _not_found(session: AWSSession) -> str:
    variables = "the environment (AWS_ACCESS_KEY_ID)"
    if os.environ.get("AWS_ROLE_ARN"):
        variables += ", which has AWS_ROLE_ARN but no AWS_WEB_IDENTITY_TOKEN_FILE"
    profile = session.botocore.get_config_variable("profile") or "default"
    files = " and ".join(session.botocore.get_config_variable(name) for name in ("credentials_file", "config_file"))
    for name in FILE_VARIABLES:
        path = os.environ.get(name)
        if path and path != os.devnull and not os.path.exists(os.path.expanduser(os.path.expandvars(path))):
            files += f" ({name} names {path}, which does not exist)"
    endpoints = "the container's endpoint and the instance metadata"
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        endpoints = "the container's endpoint (AWS_EC2_METADATA_DISABLED keeps the instance metadata out)"
    return (
        f"no AWS credentials found: looked in {variables}, the profile {profile!r} in {files}, {endpoints}; "
        "run `aws configure` or `aws sso login`, or name a profile with --profile or AWS_PROFILE"
    )
