"""Every source of credentials, up to a token that STS accepts.

Each source is tested twice: against the emulator, which verifies every signature, and against moto. Calls to STS for
credentials go there too. moto has its own instance metadata service. Container endpoints and the portal of Identity
Center are fakes that return credentials of the verifier.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from authd.emulator.directory import sample
from tests.client.rig.result import Result
from tests.client.rig.verifiers import CLUSTER, ROLES, SESSION, Keys, Verifier, emulator_verifier, moto_verifier

_NEXT_ROLE = f"arn:aws:iam::{sample.OTHER_ACCOUNT}:role/Deployer"
_FAR_FUTURE = "2999-01-01T00:00:00Z"


@dataclass(slots=True)
class Case:
    """A home folder for credentials, and the verifier that issued them."""

    verifier: Verifier
    environ: dict[str, str]
    write_aws: Callable[[str, str], Path]
    serve: Callable
    arguments: list[str] = field(default_factory=list)
    key_id: str = ""

    def url_of(self, respond: Callable) -> str:
        return self.serve(respond).url


@pytest.fixture(scope="session")
def verifiers(emulator: dict[str, str], moto: str) -> dict[str, Verifier]:
    return {verifier.name: verifier for verifier in (emulator_verifier(emulator), moto_verifier(moto))}


@pytest.fixture(params=["emulator", "moto"])
def case(
    request: pytest.FixtureRequest,
    verifiers: dict[str, Verifier],
    environ: dict[str, str],
    write_aws: Callable,
    serve: Callable,
) -> Case:
    verifier = verifiers[request.param]
    environ.update(verifier.settings, AWS_REGION="us-east-1")
    return Case(verifier, environ, write_aws, serve)


def _session_arn(role: str) -> str:
    return f"{role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/{SESSION}"


def _variables(keys: Keys) -> dict[str, str]:
    variables = {"AWS_ACCESS_KEY_ID": keys.key_id, "AWS_SECRET_ACCESS_KEY": keys.secret}
    return variables | ({"AWS_SESSION_TOKEN": keys.session_token} if keys.session_token else {})


def _section(name: str, keys: Keys) -> str:
    return f"[{name}]\n" + "".join(f"{key.lower()} = {value}\n" for key, value in _variables(keys).items())


def _document(keys: Keys) -> dict[str, str]:
    return {
        "AccessKeyId": keys.key_id,
        "SecretAccessKey": keys.secret,
        "Token": keys.session_token,
        "Expiration": _FAR_FUTURE,
    }


# Each source writes credentials, and returns the ARN of the token's expected signer.


def environment(case: Case) -> str:
    case.environ.update(_variables(case.verifier.user))
    return case.verifier.user.arn


def environment_with_session_token(case: Case) -> str:
    case.environ.update(_variables(case.verifier.role))
    return case.verifier.role.arn


def shared_file(case: Case) -> str:
    case.write_aws("credentials", _section("default", case.verifier.user))
    return case.verifier.user.arn


def profile(case: Case) -> str:
    case.write_aws("config", _section("profile work", case.verifier.role))
    case.environ["AWS_PROFILE"] = "work"
    return case.verifier.role.arn


def source_profile_chain(case: Case) -> str:
    case.write_aws("credentials", _section("base", case.verifier.user))
    case.write_aws(
        "config",
        f"[profile middle]\nrole_arn = {ROLES}/Admin\nsource_profile = base\n"
        f"[default]\nrole_arn = {_NEXT_ROLE}\nsource_profile = middle\nrole_session_name = {SESSION}\n",
    )
    return _session_arn(_NEXT_ROLE)


def _role_from(case: Case, source: str, role: str = f"{ROLES}/Admin") -> str:
    case.write_aws(
        "config", f"[profile p]\nrole_arn = {role}\ncredential_source = {source}\nrole_session_name = {SESSION}\n"
    )
    case.environ["AWS_PROFILE"] = "p"
    return _session_arn(role)


def credential_source_environment(case: Case) -> str:
    # --profile overrides keys in the environment, and AWS_PROFILE does not.
    environment(case)
    arn = _role_from(case, "Environment")
    case.arguments += ["--profile", case.environ.pop("AWS_PROFILE")]
    return arn


def credential_source_container(case: Case) -> str:
    container(case)
    return _role_from(case, "EcsContainer", _NEXT_ROLE)


def credential_source_instance(case: Case) -> str:
    instance_metadata(case)
    case.key_id = ""
    return _role_from(case, "Ec2InstanceMetadata", _NEXT_ROLE)


def sso(case: Case) -> str:
    keys = case.verifier.role
    response = {"roleCredentials": {
        "accessKeyId": keys.key_id, "secretAccessKey": keys.secret, "sessionToken": keys.session_token,
        "expiration": 32503680000000,
    }}  # fmt: skip

    def portal(method: str, path: str, headers: dict[str, str], body: str) -> tuple[int, dict[str, str], str]:
        if headers.get("x-amz-sso_bearer_token") != "sso-access-token" or not path.startswith(
            "/federation/credentials?"
        ):
            return 401, {}, "{}"
        return 200, {"Content-Type": "application/json"}, json.dumps(response)

    case.write_aws(
        "config",
        f"[default]\nsso_session = corp\nsso_account_id = {sample.ACCOUNT}\nsso_role_name = Admin\n"
        "[sso-session corp]\nsso_start_url = https://corp.awsapps.example/start\nsso_region = us-east-1\n",
    )
    # `aws sso login` names the file by the SHA-1 of the session's name.
    case.write_aws(
        f"sso/cache/{hashlib.sha1(b'corp').hexdigest()}.json",
        json.dumps({"accessToken": "sso-access-token", "expiresAt": _FAR_FUTURE}),
    )
    case.environ["AWS_ENDPOINT_URL_SSO"] = case.url_of(portal)
    return keys.arn


def credential_process(case: Case) -> str:
    keys = case.verifier.role
    document = {"Version": 1, **_document(keys), "SessionToken": keys.session_token}
    program = case.write_aws("process.py", f"print({json.dumps(document)!r})\n")
    case.write_aws("config", f"[default]\ncredential_process = {sys.executable} {program}\n")
    return keys.arn


def web_identity(case: Case) -> str:
    file = case.write_aws("web-token", sample.WEB_IDENTITY_TOKEN)
    case.environ.update(
        AWS_ROLE_ARN=f"{ROLES}/Pipeline", AWS_WEB_IDENTITY_TOKEN_FILE=str(file), AWS_ROLE_SESSION_NAME=SESSION
    )
    return _session_arn(f"{ROLES}/Pipeline")


def web_identity_profile(case: Case) -> str:
    file = case.write_aws("web-token", sample.WEB_IDENTITY_TOKEN)
    case.write_aws(
        "config",
        f"[default]\nrole_arn = {ROLES}/Pipeline\nweb_identity_token_file = {file}\nrole_session_name = {SESSION}\n",
    )
    return _session_arn(f"{ROLES}/Pipeline")


def container(case: Case) -> str:
    def endpoint(method: str, path: str, headers: dict[str, str], body: str) -> tuple[int, dict[str, str], str]:
        if headers.get("authorization") != "pod-identity":
            return 401, {}, "{}"
        return 200, {}, json.dumps(_document(case.verifier.role))

    case.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{case.url_of(endpoint)}/v1/credentials"
    case.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = str(case.write_aws("pod-token", "pod-identity"))
    return case.verifier.role.arn


def instance_metadata(case: Case) -> str:
    if case.verifier.name == "moto":
        # moto identifies every unknown key by this ARN, so the test checks the key ID too.
        url, arn, case.key_id = case.verifier.url, "arn:aws:sts::123456789012:user/moto", "test-key"
    else:
        url, arn = case.url_of(lambda *request: _metadata(case.verifier.role, *request)), case.verifier.role.arn
    case.environ.update(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=url)
    return arn


def _metadata(keys: Keys, method: str, path: str, headers: dict[str, str], _: str) -> tuple[int, dict[str, str], str]:
    if method == "PUT":
        return 200, {}, "imds-token"
    if headers.get("x-aws-ec2-metadata-token") != "imds-token":
        return 401, {}, ""
    return 200, {}, "node" if path.endswith("security-credentials/") else json.dumps(_document(keys))


def role_option(case: Case) -> str:
    environment(case)
    case.arguments += ["-r", f"{ROLES}/Admin", "-s", SESSION]
    return _session_arn(f"{ROLES}/Admin")


SOURCES = [
    environment, environment_with_session_token, shared_file, profile, source_profile_chain,
    credential_source_environment, credential_source_container, credential_source_instance, sso, credential_process,
    web_identity, web_identity_profile, container, instance_metadata, role_option,
]  # fmt: skip


@pytest.mark.parametrize("write_source", SOURCES, ids=lambda source: source.__name__)
def test_token_of_every_source(authd_token: Callable, case: Case, write_source: Callable[[Case], str]) -> None:
    """With credentials of every source, STS identifies their owner as the token's signer."""
    arn = write_source(case)
    result = authd_token("-i", CLUSTER, *case.arguments)
    assert result.status == 0, result.err
    assert result.host == "sts.us-east-1.amazonaws.com"
    assert case.verifier.identify(result.url) == arn
    assert case.key_id in ("", result.key_id)


def test_token_of_a_role_with_mfa(in_terminal: Callable, case: Case) -> None:
    """With a code from the terminal, a role that requires MFA is assumed, and STS identifies it as the signer."""
    case.write_aws("credentials", _section("base", case.verifier.user))
    case.write_aws(
        "config",
        f"[default]\nrole_arn = {ROLES}/Guarded\nsource_profile = base\nmfa_serial = {sample.MFA_SERIAL}\n"
        f"role_session_name = {SESSION}\n",
    )
    info = {"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "spec": {"interactive": True}}
    case.environ["KUBERNETES_EXEC_INFO"] = json.dumps(info)
    status, printed, seen = in_terminal(f"{sample.MFA_CODE}\n".encode(), "-i", CLUSTER, "--token-only")
    assert status == 0, seen
    assert case.verifier.identify(Result(status, printed, "").url) == _session_arn(f"{ROLES}/Guarded")
