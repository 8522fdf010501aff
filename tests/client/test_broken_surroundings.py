"""What is broken around authd-token: shared files, settings, logins, and whoever answers in AWS's place."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

KEY_ID, SECRET = "AKIAEXAMPLEEXAMPLE00", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYSECRETKEY"
ROLE = "arn:aws:iam::123456789012:role/KubernetesAdmin"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xef\xbb\xbf[default]\n", ("line 1", "byte order mark")),
        (b"[default]\n\xff\n", ("not a valid AWS configuration file",)),
        (b"[default]\nregion = x\n[default]\n", ("line 3",)),
        (b"[default]\nregion = x\nregion = y\n", ("line 3",)),
        (b"[default\n", ("line 1",)),
        (f"[default]\n{SECRET}\n".encode(), ("line 2",)),
        ("[default]\n".encode("utf-16"), ("not a valid AWS configuration file",)),
    ],
)
@pytest.mark.parametrize("name", ["config", "credentials"])
def test_broken_shared_files_are_named(
    authd_token: Callable, keys: dict[str, str], write_aws: Callable, name: str, content: bytes, words: tuple[str, ...]
) -> None:
    """A shared file that botocore can't read is named, with the line if it is known, and nothing of it is shown."""
    write_aws(name, "").write_bytes(content)
    sentence = authd_token("-i", "prod").sentence()
    for word in (f".aws/{name}", *words):
        assert word in sentence


def test_a_broken_nested_key_is_not_shown(authd_token: Callable, keys: dict[str, str], write_aws: Callable) -> None:
    """The same for what botocore alone understands in the configuration file."""
    write_aws("config", f"[default]\ns3 =\n  {SECRET}\n")
    assert ".aws/config, line 3, is not a valid AWS configuration file" in authd_token("-i", "prod").sentence()


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket"])
def test_shared_files_that_are_none_are_passed_by(
    authd_token: Callable, keys: dict[str, str], home: Path, kind: str
) -> None:
    """What isn't a file is waited for by nobody, as botocore does it, and keys in the environment serve."""
    (home / ".aws").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        for path in (home / ".aws/config", home / ".aws/credentials"):
            if kind == "folder":
                path.mkdir()
            elif kind == "pipe":
                os.mkfifo(path)
            else:
                path.symlink_to("socket")
        if kind == "socket":
            previous = Path.cwd()
            os.chdir(home / ".aws")  # the path of a socket has to be short
            listening.bind("socket")
            os.chdir(previous)
        assert authd_token("-i", "prod").key_id == KEY_ID
        assert authd_token("-i", "two words").key_id == KEY_ID


@pytest.mark.parametrize(
    "variables",
    [
        {"HTTPS_PROXY": f"::{SECRET}"},
        {"HTTPS_PROXY": f"http://u:{SECRET}@127.0.0.1:1"},
        {"AWS_SESSION_TOKEN": f"{SECRET}\nX: y"},
        {"AWS_ENDPOINT_URL_STS": f"http://u:{SECRET}@127.0.0.1:1"},
        {"AWS_ENDPOINT_URL_STS": "garbage"},
        {"AWS_ENDPOINT_URL_STS": "http://[::1"},
        {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1", "AWS_RETRY_MODE": "never"},
        {"AWS_METADATA_SERVICE_TIMEOUT": "soon"},
        {"AWS_STS_REGIONAL_ENDPOINTS": "sometimes"},
    ],
)
def test_broken_settings_show_no_secret(authd_token: Callable, keys: dict[str, str], variables: dict[str, str]) -> None:
    """Whatever a setting does to a call, there is a sentence that is meant for it and shows none of its secrets."""
    sentence = authd_token("-i", "prod", "-r", ROLE, AWS_MAX_ATTEMPTS="1", **variables).sentence()
    assert "unexpected" not in sentence


_NOT_KEYS = [
    "", "null", "12", "[]", "{}", '"x"', "[" * 100_000, "\u00e9", '{"AccessKeyId": "A"}',
    '{"AccessKeyId": 1, "SecretAccessKey": 2, "Token": 3, "Expiration": 4}',
    '{"AccessKeyId": "A", "SecretAccessKey": "s", "Token": "t", "Expiration": "soon"}',
    '{"AccessKeyId": "A", "SecretAccessKey": "s", "Token": "a\\nb", "Expiration": "2999-01-01T00:00:00Z"}',
    '{"AccessKeyId": "A\\ud800", "SecretAccessKey": "s", "Token": "t", "Expiration": "2999-01-01T00:00:00Z"}',
]  # fmt: skip


@pytest.mark.parametrize("content", _NOT_KEYS)
def test_broken_instance_metadata_gets_a_sentence(
    authd_token: Callable, serve: Callable, environ: dict[str, str], content: str
) -> None:
    """Whatever answers in the place of the instance metadata, there is one sentence."""
    endpoint = serve(lambda _, path, *__: (200, {}, "role" if path.endswith("security-credentials/") else content))
    environ.update(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint.url)
    assert "unexpected" not in authd_token("-i", "prod").sentence()


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "garbage"},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "ftp://127.0.0.1"},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:99999"},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1", "HTTP_PROXY": f"http://u:{SECRET}@127.0.0.1:1"},
    ],
)
def test_broken_addresses_of_instance_metadata_get_a_sentence(authd_token: Callable, variables: dict[str, str]) -> None:
    """An address that leads nowhere, or through a proxy that isn't there, is no instance metadata."""
    assert "unexpected" not in authd_token("-i", "prod", AWS_EC2_METADATA_DISABLED="false", **variables).sentence()


@pytest.mark.parametrize("content", [each for each in _NOT_KEYS if each])
def test_broken_container_endpoints_get_a_sentence(authd_token: Callable, serve: Callable, content: str) -> None:
    """Whatever answers in the place of the container's endpoint, there is one sentence."""
    url = serve(lambda *_: (200, {}, content)).url
    assert "unexpected" not in authd_token("-i", "prod", AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{url}/x").sentence()


@pytest.mark.parametrize("arguments", [("-r", ROLE), ("--why",)])
@pytest.mark.parametrize("status", [200, 302, 403, 500])
def test_a_stranger_in_the_place_of_sts_is_called_that(
    authd_token: Callable, keys: dict[str, str], serve: Callable, status: int, arguments: tuple[str, ...]
) -> None:
    """The login page of a hotel is no STS, and nothing of it is shown."""
    url = serve(lambda *_: (status, {}, f"<html>{SECRET}<br></html>")).url
    sentence = authd_token("-i", "prod", *arguments, AWS_ENDPOINT_URL_STS=url, AWS_MAX_ATTEMPTS="1").sentence()
    assert "did not come from AWS" in sentence


def test_a_refused_web_identity_is_not_repeated(
    authd_token: Callable, environ: dict[str, str], sts: object, tmp_path: Path
) -> None:
    """STS repeats a value that it does not like; a web identity token stays here."""
    sts.refusal = ("ValidationError", f"Value '{SECRET}' at 'webIdentityToken' failed to satisfy constraint")
    token = tmp_path / "token"
    token.write_text(SECRET)
    assert (
        "ValidationError"
        in authd_token(
            "-i", "prod", AWS_ROLE_ARN=ROLE, AWS_WEB_IDENTITY_TOKEN_FILE=str(token), AWS_REGION="eu-west-1"
        ).sentence()
    )


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"accessToken": 1, "expiresAt": 2}', '{"accessToken": "x", "expiresAt": "soon"}'],
)
def test_a_broken_login_gets_a_sentence(authd_token: Callable, write_aws: Callable, content: str) -> None:
    """A login file of the AWS CLI that can't be understood is to be renewed."""
    write_aws(
        "config",
        "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Admin\n"
        "[sso-session corp]\nsso_start_url = https://corp.awsapps.example/start\nsso_region = us-east-1\n",
    )
    write_aws(f"sso/cache/{hashlib.sha1(b'corp').hexdigest()}.json", content)
    assert "`aws sso login`" in authd_token("-i", "prod").sentence()
