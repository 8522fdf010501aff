"""The validated request for a token."""

from __future__ import annotations

from dataclasses import dataclass

from authd.client.fast.inputs import Inputs
from authd.client.output.messages import warn
from authd.client.request import grammar


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
        cluster_id=grammar.cluster_id(cluster_id),
        role=_role(inputs, role),
        region=grammar.region(options.region, "--region") if options.region else None,
        endpoint=grammar.host(options.endpoint) if options.endpoint else None,
        profile=options.profile or None,
    )


def _role(inputs: Inputs, arn: str | None) -> RoleRequest | None:
    options = inputs.options
    if not arn:
        _warn_without_role(inputs)
        return None
    return RoleRequest(
        arn=grammar.role_arn(arn),
        session_name=grammar.session_name(options.session_name, "--session-name") if options.session_name else None,
        forward_session_name=options.forward_session_name,
        external_id=grammar.external_id(options.external_id) if options.external_id else None,
        duration=grammar.duration(options.duration) if options.duration else None,
    )


def _warn_without_role(inputs: Inputs) -> None:
    options = inputs.options
    given = {
        "--external-id": options.external_id,
        "--session-name": options.session_name,
        "--forward-session-name": options.forward_session_name,
        "--duration": options.duration,
    }
    idle = " and ".join(name for name, value in given.items() if value)
    if idle:
        warn(f"{idle} without effect, since no role is assumed; add --role ARN")
