"""The validated request for a token."""

from __future__ import annotations

import re
from dataclasses import dataclass

from authd.client.fast.errors import UsageError
from authd.client.fast.inputs import MAX_CLUSTER_ID, Inputs

# IAM, "IAM identifiers": twelve digits of account, and a path that may be empty.
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/(?:[!-~]{1,510}/)?[A-Za-z0-9+=,.@_-]{1,64}")
# AWS STS API reference, AssumeRole: RoleSessionName and ExternalId.
_SESSION_NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{2,64}")
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9+=,.@:/_-]{2,1224}")
_DURATION = re.compile(r"(?:(?P<h>[0-9]{1,2})h)?(?:(?P<m>[0-9]{1,3})m)?(?:(?P<s>[0-9]{1,5})s?)?")
_REGION = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,12}){1,4}")
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+")
_MIN_DURATION, _MAX_DURATION = 900, 12 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRequest:
    """A role to assume. `duration` is in seconds, from 900 to 43,200, or None for the default."""

    arn: str
    session_name: str | None
    forward_session_name: bool
    external_id: str | None
    duration: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """A request for a token for one cluster. `endpoint` is a host name that overrides every setting."""

    cluster_id: str
    role: RoleRequest | None
    region: str | None
    endpoint: str | None
    profile: str | None


def parse_token_request(inputs: Inputs) -> TokenRequest:
    """Return the validated request. Raises UsageError for missing and malformed values."""
    options = inputs.options
    cluster_id, role = inputs.cluster_id(), inputs.role()
    if inputs.settings_file is not None:
        # The YAML parser is loaded only if there is YAML to parse.
        from authd.client.request.settings_file import read_cluster_settings

        settings = read_cluster_settings(inputs.settings_file, str(options.config))
        cluster_id = settings.cluster_id if cluster_id is None else cluster_id
        role = settings.role if role is None else role
    return TokenRequest(
        cluster_id=_cluster_id(cluster_id),
        role=_role(inputs, role),
        region=_grammar(options.region or None, _REGION, "--region", "a region such as eu-west-1"),
        endpoint=_endpoint(options.endpoint),
        profile=options.profile or None,
    )


def _cluster_id(value: str | None) -> str:
    if not value:
        raise UsageError(
            "no cluster id given: add `--cluster-id NAME` to the arguments of authd-token in the kubeconfig, "
            "or set KUBERNETES_AWS_AUTHENTICATOR_CLUSTER_ID"
        )
    if len(value) > MAX_CLUSTER_ID or not value.isprintable() or value != value.strip():
        raise UsageError(f"the cluster id must be plain text of at most {MAX_CLUSTER_ID} characters")
    return value


def _role(inputs: Inputs, arn: str | None) -> RoleRequest | None:
    if not arn:
        return None
    options = inputs.options
    if not _ROLE_ARN.fullmatch(arn):
        raise UsageError(f"{arn!r} is not the ARN of a role: it must look like arn:aws:iam::123456789012:role/NAME")
    return RoleRequest(
        arn=arn,
        session_name=_grammar(
            options.session_name or None, _SESSION_NAME, "--session-name", "2 to 64 of A-Z a-z 0-9 _ + = , . @ -"
        ),
        forward_session_name=options.forward_session_name,
        external_id=_grammar(
            options.external_id or None, _EXTERNAL_ID, "--external-id", "2 to 1224 of A-Z a-z 0-9 _ + = , . @ : / -"
        ),
        duration=_duration(options.duration),
    )


def _grammar(value: str | None, grammar: re.Pattern[str], option: str, expected: str) -> str | None:
    if value is not None and not grammar.fullmatch(value):
        raise UsageError(f"{option} must be {expected}")
    return value


def _duration(text: str | None) -> int | None:
    if not text:
        return None
    match = _DURATION.fullmatch(text)
    seconds = sum(int(match[unit] or 0) * size for unit, size in (("h", 3600), ("m", 60), ("s", 1))) if match else 0
    if not _MIN_DURATION <= seconds <= _MAX_DURATION:
        raise UsageError(f"--duration must be from 15m to 12h, such as 1h or 3600, not {text!r}")
    return seconds


def _endpoint(text: str | None) -> str | None:
    if not text:
        return None
    host = text.lower().removeprefix("https://").removesuffix("/")
    if not _HOST.fullmatch(host):
        raise UsageError(
            f"--endpoint must be a host name such as sts.eu-west-1.amazonaws.com, not {text!r}: "
            "a token can name neither another scheme than https nor a port or a path"
        )
    return host
