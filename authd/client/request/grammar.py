"""Grammars of the values in a request and in AWS settings.

Each function returns the value or raises UsageError, which names the value's place and the next step.
"""

from __future__ import annotations

import re

from authd.client.fast.errors import UsageError
from authd.client.fast.inputs import MAX_CLUSTER_ID

# IAM, "IAM identifiers": twelve digits of account, and a path that may be empty.
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/(?:[!-~]{1,510}/)?[A-Za-z0-9+=,.@_-]{1,64}")
_ACCOUNT = re.compile(r"arn:aws[a-z-]*:iam::([0-9]*):")
_ACCOUNT_DIGITS = 12
# AWS STS API reference, AssumeRole: RoleSessionName and ExternalId.
_SESSION_NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{2,64}")
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9+=,.@:/_-]{2,1224}")
_DURATION = re.compile(r"(?:(?P<h>[0-9]{1,2})h)?(?:(?P<m>[0-9]{1,3})m)?(?:(?P<s>[0-9]{1,5})s?)?")
_REGION = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,12}){0,3}-(?:[0-9]{1,2}|global)")
_ZONE = re.compile(r"(?P<region>[a-z]{2,8}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2})(?:[a-z]|-[a-z]{3}-[0-9][a-z])")
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+")
_MIN_DURATION, _MAX_DURATION = 900, 12 * 3600


def cluster_id(value: str | None) -> str:
    """Check a cluster ID: 1 to 1024 printable characters without a space at either end.

    The daemon's setting must also be ASCII. Other verifiers, such as aws-iam-authenticator, accept more.
    """
    if not value:
        raise UsageError(
            "no cluster id given: add `--cluster-id NAME` to the arguments of authd-token in the kubeconfig, "
            "or set KUBERNETES_AWS_AUTHENTICATOR_CLUSTER_ID"
        )
    if value != value.strip():
        raise UsageError(f"the cluster id {value!r} begins or ends with whitespace; remove it")
    if len(value) > MAX_CLUSTER_ID or not value.isprintable():
        raise UsageError(f"the cluster id must be plain text of at most {MAX_CLUSTER_ID} characters")
    return value


def role_arn(value: str) -> str:
    """Check the ARN of a role."""
    if not _ROLE_ARN.fullmatch(value):
        raise UsageError(
            f"{value!r} is not the ARN of a role{_arn_fault(value)}: it must look like "
            "arn:aws:iam::123456789012:role/NAME"
        )
    return value


def _arn_fault(value: str) -> str:
    account = _ACCOUNT.match(value)
    faults = (
        (value != value.strip(), "it begins or ends with whitespace"),
        (any(mark in value for mark in "<>{}$"), "a placeholder was not filled in"),
        (account is not None and len(account[1]) != _ACCOUNT_DIGITS, f"an account has {_ACCOUNT_DIGITS} digits"),
        (":assumed-role/" in value, "it is a session of a role"),
        (":instance-profile/" in value, "it is an instance profile; name its role"),
        (":user/" in value, "it is a user"),
    )
    return next((f" ({fault})" for found, fault in faults if found), "")


def session_name(value: str, source: str) -> str:
    """Check the name of a role session. `source` is the option or setting that it came from."""
    if not _SESSION_NAME.fullmatch(value):
        raise UsageError(f"{source} must be 2 to 64 of A-Z a-z 0-9 _ + = , . @ -, not {value!r}")
    return value


def external_id(value: str) -> str:
    """Check an external ID."""
    if not _EXTERNAL_ID.fullmatch(value):
        raise UsageError("--external-id must be 2 to 1224 of A-Z a-z 0-9 _ + = , . @ : / -")
    return value


def duration(text: str) -> int:
    """Parse a role's duration. Returns seconds, from 900 to 43,200."""
    match = _DURATION.fullmatch(text)
    seconds = sum(int(match[unit] or 0) * size for unit, size in (("h", 3600), ("m", 60), ("s", 1))) if match else 0
    if not _MIN_DURATION <= seconds <= _MAX_DURATION:
        raise UsageError(f"--duration must be from 15m to 12h, such as 1h or 3600, not {text!r}")
    return seconds


def region(text: str, source: str) -> str:
    """Check the name of a region. `source` is the option, variable or setting that it came from."""
    if _REGION.fullmatch(text) and not _ZONE.fullmatch(text):
        return text
    plain = text.strip().lower().replace("_", "-").replace(" ", "-")
    zone = _ZONE.fullmatch(plain)
    if "#" in text or ";" in text:
        raise UsageError(f"{source} is {text!r}: move the comment to a line of its own")
    if text != text.strip():
        fault = "begins or ends with whitespace"
    elif zone:
        fault = "is an availability zone"
    elif "_" in text:
        fault = "has underscores, and regions are written with hyphens"
    elif text != text.lower() and _REGION.fullmatch(plain):
        fault = "has capital letters"
    else:
        raise UsageError(f"{source} is {text!r}, which is not a region; write one such as eu-west-1")
    plain = zone["region"] if zone else plain
    remedy = f"; write {plain}" if _REGION.fullmatch(plain) else "; write a region such as eu-west-1"
    raise UsageError(f"{source} is {text!r}, which {fault}{remedy}")


def boolean(text: str, source: str) -> bool:
    """Parse a switch of the AWS SDKs: true or false, in any letter case."""
    if text.lower() not in ("true", "false"):
        raise UsageError(f"{source} is {text!r} and must be true or false; with another value SDKs disagree about it")
    return text.lower() == "true"


def host(text: str) -> str:
    """Return the host name of an STS endpoint, without its scheme and slash."""
    name = text.lower().removeprefix("https://").removesuffix("/")
    if not _HOST.fullmatch(name):
        raise UsageError(
            f"--endpoint must be a host name such as sts.eu-west-1.amazonaws.com, not {text!r}: "
            "a token can name neither another scheme than https nor a port or a path"
        )
    return name
