from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import boto3
import botocore.session
import pytest

import authd.client
from authd.client import ClientError, Token, exec_credential, get_token
from tests.client.rig.result import Result
from tests.client.rig.samples import KEY_ID, ROLE, SECRET


@pytest.fixture
def process(environ: dict[str, str]) -> Iterator[dict[str, str]]:
    """Set the clean environment with static credentials in this process, until the end of the test."""
    with mock.patch.dict(os.environ):
        for name in list(os.environ):
            if name.startswith(("AWS_", "KUBERNETES_")) or name == "DEFAULT_ROLE":
                del os.environ[name]
        os.environ.update(environ, AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET, AWS_REGION="eu-west-1")
        yield os.environ


def _url(token: Token) -> str:
    return Result(0, token.value, "").url


def _key_id(token: Token) -> str:
    return parse_qs(urlsplit(_url(token)).query)["X-Amz-Credential"][0].split("/")[0]


def test_static_keys(process: dict[str, str]) -> None:
    """Keys in the environment give a token that expires in 14 minutes and is not in its repr."""
    token = get_token("prod")
    assert urlsplit(_url(token)).netloc == "sts.eu-west-1.amazonaws.com"
    assert _key_id(token) == KEY_ID
    left = token.expires_at - dt.datetime.now(dt.UTC)
    assert dt.timedelta(minutes=13) < left <= dt.timedelta(minutes=14)
    assert token.value not in repr(token)


def test_options(process: dict[str, str], write_aws: Callable) -> None:
    """The arguments region and profile have the effect of the command's options."""
    write_aws("credentials", f"[dev]\naws_access_key_id = AKIADEV\naws_secret_access_key = {SECRET}\n")
    token = get_token("prod", profile="dev", region="us-gov-west-1")
    assert _key_id(token) == "AKIADEV"
    assert urlsplit(_url(token)).netloc == "sts.us-gov-west-1.amazonaws.com"


def test_a_role(process: dict[str, str], sts: object) -> None:
    """A role is assumed with its options, and DEFAULT_ROLE has no effect."""
    os.environ.update(AWS_ENDPOINT_URL_STS=sts.endpoint.url, DEFAULT_ROLE=ROLE)
    assert _key_id(get_token("prod")) == KEY_ID
    token = get_token("prod", role=ROLE, external_id="ext", session_name="me", duration=1800)
    assert _key_id(token).startswith("ASIA")
    (call,) = sts.calls("AssumeRole")
    assert (call["RoleArn"], call["ExternalId"], call["RoleSessionName"]) == (ROLE, "ext", "me")
    assert call["DurationSeconds"] == "1800"


@pytest.mark.parametrize("kind", [boto3.session.Session, botocore.session.Session])
def test_a_session(process: dict[str, str], sts: object, kind: type) -> None:
    """A session of boto3 or botocore provides credentials and region, also for a role."""
    os.environ["AWS_ENDPOINT_URL_STS"] = sts.endpoint.url
    session = kind()
    if kind is boto3.session.Session:
        session = kind(aws_access_key_id="AKIASESSION", aws_secret_access_key=SECRET, region_name="ap-south-1")
    else:
        session.set_credentials("AKIASESSION", SECRET)
        session.set_config_variable("region", "ap-south-1")
    token = get_token("prod", session=session)
    assert _key_id(token) == "AKIASESSION"
    assert urlsplit(_url(token)).netloc == "sts.ap-south-1.amazonaws.com"
    assert _key_id(get_token("prod", session=session, role=ROLE)).startswith("ASIA")
    with pytest.raises(ClientError, match="neither profile nor cache"):
        get_token("prod", session=session, cache=True)


def test_shared_cache(process: dict[str, str], sts: object, authd_token: Callable) -> None:
    """The library and the command share cached tokens, and repeated requests get the same token."""
    os.environ["AWS_ENDPOINT_URL_STS"] = sts.endpoint.url
    tokens = {get_token("prod", role=ROLE, cache=True).value for _ in range(3)}
    shared = authd_token(
        "-i", "prod", "-r", ROLE, "--cache", "--token-only", AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET,
        AWS_REGION="eu-west-1",
    )  # fmt: skip
    assert tokens == {shared.token}
    assert len(sts.calls("AssumeRole")) == 1


def test_unchanged_environment(process: dict[str, str], sts: object) -> None:
    """The process's environment is unchanged."""
    os.environ.update(AWS_ENDPOINT_URL_STS=sts.endpoint.url, AWS_PROFILE="", AWS_DEFAULT_PROFILE="x")
    del os.environ["AWS_DEFAULT_PROFILE"]
    before = dict(os.environ)
    get_token("prod", role=ROLE)
    assert dict(os.environ) == before


def test_many_threads(process: dict[str, str], sts: object) -> None:
    """Threads with different roles get their own tokens."""
    os.environ["AWS_ENDPOINT_URL_STS"] = sts.endpoint.url
    found: dict[int, str] = {}
    failures: list[Exception] = []

    def work(number: int) -> None:
        try:
            found[number] = _key_id(get_token("prod", role=f"{ROLE}{number}"))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(found) == 8
    assert {call["RoleArn"] for call in sts.calls("AssumeRole")} == {f"{ROLE}{number}" for number in range(8)}


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
def test_exec_credential(process: dict[str, str], version: str) -> None:
    """An ExecCredential has the version, the token and its expiry."""
    document = exec_credential("prod", api_version=version)
    assert document["apiVersion"] == f"client.authentication.k8s.io/{version}"
    assert document["status"]["token"].startswith("k8s-aws-v1.")
    assert dt.datetime.fromisoformat(document["status"]["expirationTimestamp"]) > dt.datetime.now(dt.UTC)
    json.dumps(document)
    with pytest.raises(ClientError, match="v1beta1"):
        exec_credential("prod", api_version="v2")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"cluster_id": ""}, "cluster id"),
        ({"cluster_id": "c", "role": "x"}, "ARN of a role"),
        ({"cluster_id": "c", "region": "eu_west_1"}, "eu-west-1"),
        ({"cluster_id": "c", "profile": "nix"}, "'nix'"),
    ],
)
def test_errors(process: dict[str, str], arguments: dict[str, str], word: str) -> None:
    """A failure is a ClientError with the command's message."""
    with pytest.raises(ClientError, match=word):
        get_token(**arguments)


def test_interface() -> None:
    """The package exports these names, and any other raises AttributeError."""
    assert sorted(authd.client.__all__) == ["ClientError", "KubernetesAuth", "Token", "exec_credential", "get_token"]
    for name in authd.client.__all__:
        assert getattr(authd.client, name) is not None
    with pytest.raises(AttributeError):
        authd.client.nix  # noqa: B018  # the access is the test


def test_imports(process: dict[str, str]) -> None:
    """A first token with static keys imports none of the slow modules."""
    code = (
        "import sys; from authd.client import get_token; get_token('c'); "
        "print(*{'botocore', 'twisted', 'typing', 'json', 're', 'argparse'} & set(sys.modules))"
    )
    environ = {**process, "PYTHONPATH": os.path.dirname(os.path.dirname(os.path.dirname(authd.client.__file__)))}
    done = subprocess.run([sys.executable, "-S", "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
