"""Whatever credentials botocore's chain finds, or one sentence that says where it looked."""

from __future__ import annotations

import os
import time
from email.utils import parsedate_to_datetime
from typing import Any

from authd.client.aws.error_messages import clock_sentence
from authd.client.aws.session import AWSSession
from authd.client.credentials import Keys
from authd.client.fast.errors import ClientError


def find_base_credentials(session: AWSSession) -> tuple[Keys, str]:
    """Return the credentials of the session's profile, and botocore's name for where they came from.

    Raises ClientError where there are none or they have expired, and whatever botocore raises, see `failures`.
    """
    found = session.botocore.get_credentials()
    if found is None:
        raise ClientError(_nowhere(session))
    _check_clock(session)
    frozen = found.get_frozen_credentials()
    # The public interface of botocore says nowhere when credentials expire.
    expiry: Any = getattr(found, "_expiry_time", None)
    keys = Keys(
        access_key=frozen.access_key,
        secret_key=frozen.secret_key,
        session_token=frozen.token or "",
        expires_at=int(expiry.timestamp()) if expiry is not None else None,
    )
    text = keys.access_key + keys.secret_key + keys.session_token
    if not (text.isascii() and text.isprintable()):
        raise ClientError(
            "the AWS credentials have characters that AWS never gives out; paste them again, as plain text"
        )
    if keys.expires_at is not None and keys.expires_at <= time.time():
        raise ClientError("the AWS credentials have expired; get new ones from where these came from")
    return keys, str(found.method)


def _nowhere(session: AWSSession) -> str:
    variables = "the environment (AWS_ACCESS_KEY_ID)"
    profile = session.botocore.get_config_variable("profile") or "default"
    files = " and ".join(session.botocore.get_config_variable(name) for name in ("credentials_file", "config_file"))
    asked = "the container's endpoint and the instance metadata"
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        asked = "the container's endpoint (AWS_EC2_METADATA_DISABLED keeps the instance metadata out)"
    return (
        f"no AWS credentials found: looked in {variables}, the profile {profile!r} in {files}, {asked}; "
        "run `aws configure` or `aws sso login`, or name a profile with --profile or AWS_PROFILE"
    )


def _check_clock(session: AWSSession) -> None:
    metadata = session.metadata
    if metadata.date is None:
        return
    try:
        told = parsedate_to_datetime(metadata.date).timestamp()
    except (TypeError, ValueError):
        return
    sentence = clock_sentence(metadata.answered_at - told, "the instance metadata service")
    if sentence is not None:
        raise ClientError(sentence)
