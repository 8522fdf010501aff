"""The profiles of the AWS shared files, for error messages and checks."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from botocore import exceptions, session

from authd.client.request.token_request import TokenRequest

_CREDENTIAL_SOURCES = ("Ec2InstanceMetadata", "Environment", "EcsContainer")
#: Variables with the paths of the shared files.
FILE_VARIABLES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
#: Settings of which a source profile needs one.
_CREDENTIAL_KEYS = (
    "aws_access_key_id", "role_arn", "credential_process", "sso_account_id", "sso_session", "login_session",
    "web_identity_token_file",
)  # fmt: skip
_SSO_KEYS = ("sso_account_id", "sso_role_name", "sso_region", "sso_start_url")


class Profiles:
    """The requested profile and those that its roles are chained from. Empty if the files can't be parsed."""

    def __init__(self, request: TokenRequest) -> None:
        self.name = request.profile or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
        self.label = self.name or "default"
        self.uses_environment = request.profile is None and bool(os.environ.get("AWS_ACCESS_KEY_ID"))
        try:
            config: dict[str, Any] = session.Session().full_config
        except exceptions.BotoCoreError:
            config = {}
        self._config = config
        self._profiles: dict[str, dict[str, Any]] = config.get("profiles", {})
        self._sso_sessions: dict[str, dict[str, Any]] = config.get("sso_sessions", {})

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings of the requested profile."""
        return self._profiles.get(self.label, {})

    def missing(self, name: str) -> str:
        """Return a message about a profile that does not exist."""
        if name in self._config:
            return f"the profile {name!r} is missing: write its section in the AWS config file as [profile {name}]"
        for variable in FILE_VARIABLES:
            path = os.environ.get(variable)
            if path and not os.path.exists(os.path.expanduser(os.path.expandvars(path))):
                return f"the profile {name!r} is missing, and {variable} names {path}, which does not exist"
        close = get_close_matches(name, self._profiles, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "`aws configure list-profiles` shows the existing ones"
        return f"the profile {name!r} is in neither of the AWS shared files; {hint}"

    def login_command(self, command: str) -> str:
        """Return `aws sso login` or `aws login` for the profile of the chain that has the login."""
        setting = "login_session" if command == "aws login" else "sso_"
        for name, settings in self._chain():
            if any(key.startswith(setting) for key in settings):
                return command if name == "default" and self.name is None else shlex.join(
                    [*command.split(), "--profile", name]
                )  # fmt: skip
        return f"{command} --profile {shlex.quote(self.name)}" if self.name else command

    def fault(self) -> str | None:
        """Return a message about the first faulty profile of the chain, or None."""
        for name, settings in self._chain():
            found = (
                self._role_fault(name, settings) or self._sso_fault(name, settings) or self._services_fault(settings)
            )
            if found is not None:
                return f"the profile {name!r} {found}"
        return None

    def _chain(self) -> Iterator[tuple[str, dict[str, Any]]]:
        name, visited = self.label, set[str]()
        while name in self._profiles and name not in visited:
            visited.add(name)
            yield name, self._profiles[name]
            name = str(self._profiles[name].get("source_profile", ""))

    def _role_fault(self, name: str, settings: dict[str, Any]) -> str | None:
        source, kind = settings.get("source_profile"), settings.get("credential_source")
        role, web_identity = "role_arn" in settings, "web_identity_token_file" in settings
        fault = None
        if web_identity and not role:
            fault = "has web_identity_token_file but no role_arn; add the role to assume"
        elif source is not None and not role and not any(key in settings for key in _CREDENTIAL_KEYS):
            fault = "has source_profile but no role_arn; add the role to assume"
        elif web_identity or not role:
            pass
        elif source is None and kind is None:
            fault = "has role_arn but neither source_profile nor credential_source; add `source_profile = NAME`"
        elif source is not None and kind is not None:
            fault = "has both source_profile and credential_source; remove one of them"
        elif kind is not None and kind not in _CREDENTIAL_SOURCES:
            fault = f"has the credential_source {kind!r}; write one of {', '.join(_CREDENTIAL_SOURCES)}"
        elif source is not None and source not in self._profiles:
            fault = f"names the source_profile {source!r}, but {self.missing(source)}"
        elif source is not None and not any(key in self._profiles[source] for key in _CREDENTIAL_KEYS):
            fault = f"names the source_profile {source!r}, which has no credentials; add its keys or its own source"
        elif source is not None:
            fault = self._loop(name)
        return fault

    def _loop(self, name: str) -> str | None:
        following, visited = str(self._profiles[name].get("source_profile", "")), [name]
        while following in self._profiles:
            if following in visited:
                if following == visited[-1]:
                    has_keys = "aws_access_key_id" in self._profiles[following]
                    return None if has_keys else "is its own source_profile but has no keys; name another one"
                return f"is its own source_profile by way of {' and '.join(visited)}; break the cycle"
            visited.append(following)
            following = str(self._profiles[following].get("source_profile", ""))
        return None

    def _services_fault(self, settings: dict[str, Any]) -> str | None:
        name = settings.get("services")
        if name is None or name in self._config.get("services", {}):
            return None
        return f"names the services {name!r}, but there is no section [services {name}]"

    def _sso_fault(self, name: str, settings: dict[str, Any]) -> str | None:
        session_name = settings.get("sso_session")
        if session_name is not None and session_name not in self._sso_sessions:
            return f"names the sso_session {session_name!r}, but there is no section [sso-session {session_name}]"
        if session_name is None and "sso_start_url" not in settings:
            return None
        shared = self._sso_sessions.get(str(session_name), {})
        found = {**settings, **shared}
        absent = [key for key in _SSO_KEYS if key not in found]
        if absent:
            return f"lacks {' and '.join(absent)}; run `aws configure sso --profile {shlex.quote(name)}`"
        for key, value in shared.items():
            if settings.get(key, value) != value:
                return f"and its sso-session {session_name!r} have different values of {key}; remove one of them"
        return None
