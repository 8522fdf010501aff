"""Authenticates the principal that signed a request."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authd.emulator.sts import sigv4
from authd.emulator.sts.authorization import read_authorization
from authd.emulator.sts.errors import expired_token, invalid_client_token, region_disabled

if TYPE_CHECKING:
    from authd.emulator.directory.directory import AccessKey, Directory
    from authd.emulator.directory.principals import Principal
    from authd.emulator.sts.hosts import HostRegions
    from authd.emulator.sts.request import WireRequest
    from authd.emulator.sts.sessions import SessionIssuer


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A key id's entry before its signature is checked."""

    principal: Principal
    secret: str
    expires: float | None


def authenticate(
    request: WireRequest,
    *,
    directory: Directory,
    sessions: SessionIssuer,
    hosts: HostRegions,
    now: float,
    service: str = sigv4.SERVICE,
) -> Principal:
    """Return the signer of the request, or raise the `STSError` that STS would respond with.

    `now` is in seconds since 1970. The order of checks is STS's: form and date, then the key, its session token, the
    signature, and last the expiry of the credentials.
    """
    authorization = read_authorization(request)
    host = (request.header(b"host") or b"").decode("latin-1")
    region = hosts.region_of(host) if service == sigv4.SERVICE else hosts.region_of_ec2(host)
    sigv4.check_scope(authorization, region, service)
    sigv4.check_date(authorization, now)
    key_id, token = authorization.scope.key_id, authorization.session_token
    credential = find_credential(key_id, token, directory=directory, sessions=sessions)
    sigv4.check_signature(request, authorization, credential.secret)
    if credential.expires is not None and now >= credential.expires:
        raise expired_token()
    account = credential.principal.account
    if region in directory.disabled_regions.get(account, frozenset()):
        raise region_disabled(account)
    return credential.principal


def find_credential(
    key_id: str, session_token: str | None, *, directory: Directory, sessions: SessionIssuer
) -> Credential:
    """Look up a key of the directory or of an issued session. Raises `STSError` InvalidClientTokenId."""
    key = directory.keys.get(key_id)
    if key is not None:
        return _fixed(key, session_token, directory)
    if session_token is None:
        raise invalid_client_token()
    grant = sessions.open(key_id, session_token)
    role = directory.roles.get(grant.role_arn)
    if role is None:
        raise invalid_client_token()
    return Credential(
        principal=role.session(directory.partition, grant.session_name),
        secret=sessions.secret_of(key_id),
        expires=grant.expires,
    )


def _fixed(key: AccessKey, session_token: str | None, directory: Directory) -> Credential:
    given, expected = (session_token or "").encode(), (key.session_token or "").encode()
    if not hmac.compare_digest(given, expected):
        raise invalid_client_token()
    return Credential(principal=key.owner.principal(directory.partition), secret=key.secret, expires=key.expires)
