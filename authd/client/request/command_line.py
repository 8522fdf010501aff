"""Command lines for the user to run next."""

from __future__ import annotations

import shlex

from authd.client.fast.inputs import Inputs
from authd.client.request.token_request import TokenRequest


def explaining_command(request: TokenRequest, inputs: Inputs) -> str:
    """Return the `authd-token --why` that explains this request's login, runnable outside of kubectl."""
    options, role = inputs.options, request.role
    profile = options.profile
    if profile is None and b"AWS_ACCESS_KEY_ID" not in inputs.environ:
        # As an option, a profile overrides keys in the environment.
        profile = _text(inputs.environ.get(b"AWS_PROFILE"))
    words = ["authd-token", "--cluster-id", request.cluster_id]
    for name, value in (
        ("--role", role.arn if role else None),
        ("--external-id", options.external_id),
        ("--session-name", options.session_name),
        ("--profile", profile),
        ("--region", options.region or _text(inputs.environ.get(b"AWS_REGION"))),
        ("--endpoint", options.endpoint),
    ):
        words += [name, value] if value else []
    return shlex.join([*words, "--why"])


def _text(value: bytes | None) -> str | None:
    return value.decode("utf-8", "backslashreplace") if value else None
