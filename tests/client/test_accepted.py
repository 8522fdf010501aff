"""Every kind of credentials, from its source to a token that STS accepts.

Each kind is played twice: against the emulator, which checks every signature, and against moto. Whatever the kind
asks STS for is asked there too. moto has an instance metadata service; container endpoints and the portal of Identity
Center are fakes that hand out keys of the judge's.
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
from tests.client.answer import Answer
from tests.client.judges import CLUSTER, ROLES, SESSION, Judge, Keys, emulator_judge, moto_judge

_NEXT_ROLE = f"arn:aws:iam::{sample.OTHER_ACCOUNT}:role/Deployer"
_FAR_FUTURE = "2999-01-01T00:00:00Z"


@dataclass(slots=True)
class Stage:
    """A home folder for credentials, and the judge that issued them."""

    judge: Judge
    environ: dict[str, str]
    write_aws: Callable[[str, str], Path]
    serve: Callable
    arguments: list[str] = field(default_factory=list)
    key_id: str = ""

    def url_of(self, answer: Callable) -> str:
        return self.serve(answer).url


@pytest.fixture(scope="session")
def judges(emulator: dict[str, str], moto: str) -> dict[str, Judge]:
    return {judge.name: judge for judge in (emulator_judge(emulator), moto_judge(moto))}


@pytest.fixture(params=["emulator", "moto"])
def stage(
    request: pytest.FixtureRequest,
    judges: dict[str, Judge],
    environ: dict[str, str],
    write_aws: Callable,
    serve: Callable,
) -> Stage:
    judge = judges[request.param]
    environ.update(judge.settings, AWS_REGION="us-east-1")
    return Stage(judge, environ, write_aws, serve)


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


# Each kind lays out credentials and returns whose token authd-token then has to make.


def environment(stage: Stage) -> str:
    stage.environ.update(_variables(stage.judge.user))
    return stage.judge.user.arn


def environment_with_session_token(stage: Stage) -> str:
    stage.environ.update(_variables(stage.judge.role))
    return stage.judge.role.arn


def shared_file(stage: Stage) -> str:
    stage.write_aws("credentials", _section("default", stage.judge.user))
    return stage.judge.user.arn


def profile(stage: Stage) -> str:
    stage.write_aws("config", _section("profile work", stage.judge.role))
    stage.environ["AWS_PROFILE"] = "work"
    return stage.judge.role.arn


def source_profile_chain(stage: Stage) -> str:
    stage.write_aws("credentials", _section("base", stage.judge.user))
    stage.write_aws(
        "config",
        f"[profile middle]\nrole_arn = {ROLES}/Admin\nsource_profile = base\n"
        f"[default]\nrole_arn = {_NEXT_ROLE}\nsource_profile = middle\nrole_session_name = {SESSION}\n",
    )
    return _session_arn(_NEXT_ROLE)


def _role_from(stage: Stage, source: str, role: str = f"{ROLES}/Admin") -> str:
    stage.write_aws(
        "config", f"[profile p]\nrole_arn = {role}\ncredential_source = {source}\nrole_session_name = {SESSION}\n"
    )
    stage.environ["AWS_PROFILE"] = "p"
    return _session_arn(role)


def credential_source_environment(stage: Stage) -> str:
    # A profile that AWS_PROFILE names comes after keys in the environment; one that --profile names goes before.
    environment(stage)
    arn = _role_from(stage, "Environment")
    stage.arguments += ["--profile", stage.environ.pop("AWS_PROFILE")]
    return arn


def credential_source_container(stage: Stage) -> str:
    container(stage)
    return _role_from(stage, "EcsContainer", _NEXT_ROLE)


def credential_source_instance(stage: Stage) -> str:
    instance_metadata(stage)
    stage.key_id = ""
    return _role_from(stage, "Ec2InstanceMetadata", _NEXT_ROLE)


def sso(stage: Stage) -> str:
    keys = stage.judge.role
    answer = {"roleCredentials": {
        "accessKeyId": keys.key_id, "secretAccessKey": keys.secret, "sessionToken": keys.session_token,
        "expiration": 32503680000000,
    }}  # fmt: skip

    def portal(method: str, path: str, headers: dict[str, str], body: str) -> tuple[int, dict[str, str], str]:
        if headers.get("x-amz-sso_bearer_token") != "sso-access-token" or not path.startswith(
            "/federation/credentials?"
        ):
            return 401, {}, "{}"
        return 200, {"Content-Type": "application/json"}, json.dumps(answer)

    stage.write_aws(
        "config",
        f"[default]\nsso_session = corp\nsso_account_id = {sample.ACCOUNT}\nsso_role_name = Admin\n"
        "[sso-session corp]\nsso_start_url = https://corp.awsapps.example/start\nsso_region = us-east-1\n",
    )
    # The name that `aws sso login` gives the file: the SHA-1 of the session's name.
    stage.write_aws(
        f"sso/cache/{hashlib.sha1(b'corp').hexdigest()}.json",
        json.dumps({"accessToken": "sso-access-token", "expiresAt": _FAR_FUTURE}),
    )
    stage.environ["AWS_ENDPOINT_URL_SSO"] = stage.url_of(portal)
    return keys.arn


def credential_process(stage: Stage) -> str:
    keys = stage.judge.role
    document = {"Version": 1, **_document(keys), "SessionToken": keys.session_token}
    program = stage.write_aws("process.py", f"print({json.dumps(document)!r})\n")
    stage.write_aws("config", f"[default]\ncredential_process = {sys.executable} {program}\n")
    return keys.arn


def web_identity(stage: Stage) -> str:
    file = stage.write_aws("web-token", sample.WEB_IDENTITY_TOKEN)
    stage.environ.update(
        AWS_ROLE_ARN=f"{ROLES}/Pipeline", AWS_WEB_IDENTITY_TOKEN_FILE=str(file), AWS_ROLE_SESSION_NAME=SESSION
    )
    return _session_arn(f"{ROLES}/Pipeline")


def web_identity_profile(stage: Stage) -> str:
    file = stage.write_aws("web-token", sample.WEB_IDENTITY_TOKEN)
    stage.write_aws(
        "config",
        f"[default]\nrole_arn = {ROLES}/Pipeline\nweb_identity_token_file = {file}\nrole_session_name = {SESSION}\n",
    )
    return _session_arn(f"{ROLES}/Pipeline")


def container(stage: Stage) -> str:
    def endpoint(method: str, path: str, headers: dict[str, str], body: str) -> tuple[int, dict[str, str], str]:
        if headers.get("authorization") != "pod-identity":
            return 401, {}, "{}"
        return 200, {}, json.dumps(_document(stage.judge.role))

    stage.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{stage.url_of(endpoint)}/v1/credentials"
    stage.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = str(stage.write_aws("pod-token", "pod-identity"))
    return stage.judge.role.arn


def instance_metadata(stage: Stage) -> str:
    if stage.judge.name == "moto":
        # Nobody's key in moto's eyes, so its name has to be looked at besides.
        url, arn, stage.key_id = stage.judge.url, "arn:aws:sts::123456789012:user/moto", "test-key"
    else:
        url, arn = stage.url_of(lambda *request: _metadata(stage.judge.role, *request)), stage.judge.role.arn
    stage.environ.update(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=url)
    return arn


def _metadata(keys: Keys, method: str, path: str, headers: dict[str, str], _: str) -> tuple[int, dict[str, str], str]:
    if method == "PUT":
        return 200, {}, "imds-token"
    if headers.get("x-aws-ec2-metadata-token") != "imds-token":
        return 401, {}, ""
    return 200, {}, "node" if path.endswith("security-credentials/") else json.dumps(_document(keys))


def role_option(stage: Stage) -> str:
    environment(stage)
    stage.arguments += ["-r", f"{ROLES}/Admin", "-s", SESSION]
    return _session_arn(f"{ROLES}/Admin")


KINDS = [
    environment, environment_with_session_token, shared_file, profile, source_profile_chain,
    credential_source_environment, credential_source_container, credential_source_instance, sso, credential_process,
    web_identity, web_identity_profile, container, instance_metadata, role_option,
]  # fmt: skip


@pytest.mark.parametrize("lay_out", KINDS, ids=lambda kind: kind.__name__)
def test_a_token_of_every_kind_is_accepted(
    authd_token: Callable, stage: Stage, lay_out: Callable[[Stage], str]
) -> None:
    """Whatever the credentials come from, STS says of the token that it is theirs."""
    arn = lay_out(stage)
    answer = authd_token("-i", CLUSTER, *stage.arguments)
    assert answer.status == 0, answer.err
    assert answer.host == "sts.us-east-1.amazonaws.com"
    assert stage.judge.identify(answer.url) == arn
    assert stage.key_id in ("", answer.key_id)


def test_a_token_of_a_role_with_mfa_is_accepted(in_terminal: Callable, stage: Stage) -> None:
    """A code typed into the terminal opens the role that demands it, and STS says of the token that it is the role's."""
    stage.write_aws("credentials", _section("base", stage.judge.user))
    stage.write_aws(
        "config",
        f"[default]\nrole_arn = {ROLES}/Guarded\nsource_profile = base\nmfa_serial = {sample.MFA_SERIAL}\n"
        f"role_session_name = {SESSION}\n",
    )
    info = {"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "spec": {"interactive": True}}
    stage.environ["KUBERNETES_EXEC_INFO"] = json.dumps(info)
    status, printed, seen = in_terminal(f"{sample.MFA_CODE}\n".encode(), "-i", CLUSTER, "--token-only")
    assert status == 0, seen
    assert stage.judge.identify(Answer(status, printed, "").url) == _session_arn(f"{ROLES}/Guarded")
