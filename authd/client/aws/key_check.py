"""Checks of pasted keys: empty, with whitespace or quotes around them, or with characters that no key has."""

from __future__ import annotations

from typing import Any

from authd.client.fast.errors import ClientError

_SOURCES = {"shared-credentials-file": "credentials_file", "config-file": "config_file"}
_NAMES = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


def check_keys(session: Any, method: str, keys: tuple[str, str, str]) -> None:
    """Raise ClientError for keys that AWS never issues. The session token, the last of them, may be empty.

    `session` is botocore's, `method` its name of the keys' source.
    """
    for name, value in zip(_NAMES, keys, strict=True):
        fault = _fault(value, optional=name == _NAMES[-1])
        if fault is not None:
            raise ClientError(f"{_place(session, method, name)} {fault}; paste it again, as plain text")


def _fault(value: str, *, optional: bool) -> str | None:
    if not value:
        return None if optional else "is empty"
    if value != value.strip():
        return "begins or ends with whitespace"
    if " #" in value or " ;" in value:
        return "is followed by a comment: move it to a line of its own"
    if value[0] in "\"'" or value[-1] in "\"'":
        return "has quotes around it"
    if not (value.isascii() and value.isprintable()) or " " in value:
        return "has characters that AWS never gives out"
    return None


def _place(session: Any, method: str, name: str) -> str:
    if method == "env":
        return name.upper()
    if method in _SOURCES:
        profile = session.get_config_variable("profile") or "default"
        return f"{name} of the profile {profile!r} in {session.get_config_variable(_SOURCES[method])}"
    return f"{name} from {method}"
