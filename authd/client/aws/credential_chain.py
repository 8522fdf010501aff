"""Finds the signer of a token: botocore's credential chain, followed by the requested role."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from authd.client.aws.signer import Signer
from authd.client.cache.fingerprints import watched_lines
from authd.client.fast.errors import ClientError

if TYPE_CHECKING:
    from authd.client.aws.session import AWSSession
    from authd.client.cache.role_cache import RoleCache
    from authd.client.fast.inputs import Inputs
    from authd.client.request.credentials import Credentials
    from authd.client.request.token_request import TokenRequest


def find_signer(inputs: Inputs, request: TokenRequest, roles: RoleCache | None) -> Signer:
    """Return the signer for the request, from botocore's credential chain. Raises ClientError."""
    try:
        import botocore  # noqa: F401 -- only its presence is tested
    except ImportError:
        raise ClientError(
            f"botocore, which authd-token needs for all but static credentials, is not installed for {sys.executable}; "
            "install authd again with its dependencies"
        ) from None
    from authd.client.aws.errors.error_messages import explained

    with explained(request):
        return _find_signer(inputs, request, roles)


def find_session_signer(inputs: Inputs, request: TokenRequest, session: Any) -> Signer:
    """Return the signer with the credentials of a boto3 or botocore session. Raises ClientError."""
    from authd.client.aws.errors.error_messages import explained

    # boto3's session contains botocore's.
    session = getattr(session, "_session", session)
    with explained(request):
        return _sign_with_session(inputs, request, session)


def _sign_with_session(inputs: Inputs, request: TokenRequest, session: Any) -> Signer:
    from authd.client.aws.session import open_session
    from authd.client.aws.source_credentials import checked_credentials
    from authd.client.request import grammar

    region = session.get_config_variable("region")
    if request.region is None and region:
        request = replace(request, region=grammar.region(region, "the region of the session"))
    settings = open_session(replace(request, profile=session.get_config_variable("profile")), inputs.exec_info)
    found = session.get_credentials()
    if found is None:
        raise ClientError("the session has no credentials; make one with keys, or with a profile that has some")
    return _with_role(settings, request, checked_credentials(settings, found), None, None)


def _find_signer(inputs: Inputs, request: TokenRequest, roles: RoleCache | None) -> Signer:
    from authd.client.aws.session import open_session, use_role_cache
    from authd.client.aws.source_credentials import find_source_credentials

    session = open_session(request, inputs.exec_info)
    with use_role_cache(session, roles, watched_lines(inputs)):
        keys, method = find_source_credentials(session, inputs, request)
    # Identity Center gives new credentials at every call, so its login files stand for the identity.
    identity = repr(watched_lines(inputs)) if method == "sso" else None
    return _with_role(session, request, keys, identity, roles)


def _with_role(
    session: AWSSession, request: TokenRequest, keys: Credentials, identity: str | None, roles: RoleCache | None
) -> Signer:
    from authd.client.aws.role_credentials import assume_role
    from authd.client.aws.sts_endpoint import token_endpoint

    host, region = token_endpoint(session, request)
    signer = Signer(session=session, keys=keys, identity=identity or keys.access_key, host=host, region=region)
    if request.role is None:
        return signer
    return replace(signer, keys=assume_role(signer, request, request.role, roles))
