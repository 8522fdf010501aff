"""The actions of the emulated STS: a request in, a result out, or an `STSError`. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from authd.emulator.sts.authentication import authenticate
from authd.emulator.sts.errors import STSError, access_denied, invalid_action, validation_error
from authd.emulator.sts.hosts import HostRegions
from authd.emulator.sts.parameters import API_VERSION, Parameters
from authd.emulator.sts.sessions import Grant, SessionIssuer
from authd.emulator.sts.trust import check_duration, check_trust

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authd.emulator.directory.directory import Directory, WebIdentity
    from authd.emulator.directory.principals import Principal, Role
    from authd.emulator.sts.request import WireRequest

Value: TypeAlias = "str | int | datetime | Mapping[str, Value]"

ACTIONS: Final = frozenset({"GetCallerIdentity", "AssumeRole", "AssumeRoleWithWebIdentity"})
_ROLE_ARN = re.compile(r"arn:aws(?:-[a-z]+)*:iam::[0-9]{12}:role/[!-~]{1,600}")
_SHORTEST_SESSION: Final = 900
_LONGEST_SESSION: Final = 43_200
_USUAL_SESSION: Final = 3600
_NOT_FOUND: Final = 404
_BAD_REQUEST: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Result:
    """The result of an action, with the field names of the STS API Reference."""

    action: str
    fields: Mapping[str, Value]


class STS:
    """The service: a directory, the issuer of its sessions, its hosts and its clock.

    `directory` may be replaced while running. `now` returns seconds since 1970.
    """

    def __init__(
        self,
        directory: Directory,
        *,
        now: Callable[[], float],
        hosts: HostRegions | None = None,
        sessions: SessionIssuer | None = None,
    ) -> None:
        self.directory = directory
        self.now = now
        self.hosts = hosts or HostRegions()
        self.sessions = sessions or SessionIssuer()
        self._signed_actions: Mapping[str, Callable[[Principal, Parameters], Mapping[str, Value]]] = MappingProxyType(
            {"GetCallerIdentity": _caller_identity, "AssumeRole": self._assume_role}
        )

    def execute(self, request: WireRequest, parameters: Parameters | None = None) -> Result:
        """Execute the request's action. Raises the `STSError` that STS would respond with.

        `parameters` are those of the request, if they are parsed already.
        """
        parameters = parameters or Parameters(request)
        parameters.refuse_duplicates()
        action = parameters.optional("Action") or ""
        if action == "AssumeRoleWithWebIdentity" and parameters.version == API_VERSION:
            return Result(action=action, fields=self._assume_role_with_web_identity(parameters))
        principal = authenticate(
            request, directory=self.directory, sessions=self.sessions, hosts=self.hosts, now=self.now()
        )
        if request.path != b"/" or request.method not in {b"GET", b"POST"}:
            raise STSError("UnknownOperationException", "There is no such operation.", _NOT_FOUND)
        perform = self._signed_actions.get(parameters.action)
        if perform is None or parameters.version != API_VERSION:
            raise invalid_action(parameters.action, parameters.version)
        return Result(action=parameters.action, fields=perform(principal, parameters))

    def _assume_role(self, principal: Principal, parameters: Parameters) -> Mapping[str, Value]:
        arn, session_name, seconds = _role_request(parameters)
        if principal.is_root:
            raise STSError("AccessDenied", "Roles may not be assumed by root accounts.")
        role = self.directory.roles.get(arn)
        if role is None:
            raise access_denied(principal.arn, "AssumeRole", arn)
        check_trust(role, arn, principal, parameters)
        check_duration(role, principal, seconds)
        fields = dict(self._session_fields(role, arn, session_name, seconds))
        source_identity = parameters.optional("SourceIdentity")
        return fields | ({"SourceIdentity": source_identity} if source_identity else {})

    def _assume_role_with_web_identity(self, parameters: Parameters) -> Mapping[str, Value]:
        arn, session_name, seconds = _role_request(parameters)
        identity = self._web_identity(parameters.required("WebIdentityToken"))
        role = self.directory.roles.get(arn)
        if role is None or arn not in identity.roles:
            raise STSError("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        check_duration(role, None, seconds)
        return {
            **self._session_fields(role, arn, session_name, seconds),
            "SubjectFromWebIdentityToken": identity.subject,
            "Provider": identity.provider,
            "Audience": identity.audience,
        }

    def _web_identity(self, token: str) -> WebIdentity:
        identity = self.directory.web_identities.get(token)
        if identity is None:
            raise STSError("InvalidIdentityToken", "No OpenIDConnect provider found in your account", _BAD_REQUEST)
        return identity

    def _session_fields(self, role: Role, arn: str, session_name: str, seconds: int) -> Mapping[str, Value]:
        grant = Grant(role_arn=arn, session_name=session_name, expires=int(self.now()) + seconds)
        credentials = self.sessions.issue(grant, self.directory.session_token_length)
        session = role.session(self.directory.partition, session_name)
        return {
            "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
            "Credentials": {
                "AccessKeyId": credentials.key_id,
                "SecretAccessKey": credentials.secret,
                "SessionToken": credentials.session_token,
                "Expiration": datetime.fromtimestamp(credentials.expires, UTC),
            },
        }


def _caller_identity(principal: Principal, _: Parameters) -> Mapping[str, Value]:
    return {"Arn": principal.arn, "UserId": principal.user_id, "Account": principal.account}


def _role_request(parameters: Parameters) -> tuple[str, str, int]:
    arn = parameters.required("RoleArn")
    if not _ROLE_ARN.fullmatch(arn):
        raise validation_error(f"{arn[:200]} is invalid")
    seconds = parameters.seconds(
        "DurationSeconds", default=_USUAL_SESSION, least=_SHORTEST_SESSION, most=_LONGEST_SESSION
    )
    return arn, parameters.session_name(), seconds
