"""Invalid shared files, settings and logins, and servers other than AWS at its endpoints."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.rig.samples import KEY_ID, ROLE, SECRET


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
def test_invalid_shared_files(
    authd_token: Callable, keys: dict[str, str], write_aws: Callable, name: str, content: bytes, words: tuple[str, ...]
) -> None:
    """The error for a shared file that botocore can't parse names the file and the line, and shows nothing of it."""
    write_aws(name, "").write_bytes(content)
    message = authd_token("-i", "prod").message()
    for word in (f".aws/{name}", *words):
        assert word in message


def test_invalid_nested_key(authd_token: Callable, keys: dict[str, str], write_aws: Callable) -> None:
    """The error for an invalid nested setting names the line, and shows nothing of it."""
    write_aws("config", f"[default]\ns3 =\n  {SECRET}\n")
    assert ".aws/config, line 3, is not a valid AWS configuration file" in authd_token("-i", "prod").message()


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket"])
def test_other_file_types(authd_token: Callable, keys: dict[str, str], home: Path, kind: str) -> None:
    """A folder, pipe or socket in place of a shared file is ignored, as by botocore, and never waited for."""
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
            os.chdir(home / ".aws")  # a socket's path must be short
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
def test_invalid_settings(authd_token: Callable, keys: dict[str, str], variables: dict[str, str]) -> None:
    """A setting that makes the call to STS fail gives an error of its own, without secrets."""
    message = authd_token("-i", "prod", "-r", ROLE, AWS_MAX_ATTEMPTS="1", **variables).message()
    assert "unexpected" not in message


_NOT_KEYS = [
    "", "null", "12", "[]", "{}", '"x"', "[" * 100_000, "\u00e9", '{"AccessKeyId": "A"}',
    '{"AccessKeyId": 1, "SecretAccessKey": 2, "Token": 3, "Expiration": 4}',
    '{"AccessKeyId": "A", "SecretAccessKey": "s", "Token": "t", "Expiration": "soon"}',
    '{"AccessKeyId": "A", "SecretAccessKey": "s", "Token": "a\\nb", "Expiration": "2999-01-01T00:00:00Z"}',
    '{"AccessKeyId": "A\\ud800", "SecretAccessKey": "s", "Token": "t", "Expiration": "2999-01-01T00:00:00Z"}',
]  # fmt: skip


@pytest.mark.parametrize("content", _NOT_KEYS)
def test_invalid_instance_metadata(
    authd_token: Callable, serve: Callable, environ: dict[str, str], content: str
) -> None:
    """Any invalid response of the instance metadata gives one error."""
    endpoint = serve(lambda _, path, *__: (200, {}, "role" if path.endswith("security-credentials/") else content))
    environ.update(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint.url)
    assert "unexpected" not in authd_token("-i", "prod").message()


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "garbage"},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "ftp://127.0.0.1"},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:99999"},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1", "HTTP_PROXY": f"http://u:{SECRET}@127.0.0.1:1"},
    ],
)
def test_invalid_addresses_of_instance_metadata(authd_token: Callable, variables: dict[str, str]) -> None:
    """An invalid address of the instance metadata, or an unreachable proxy for it, gives one error."""
    assert "unexpected" not in authd_token("-i", "prod", AWS_EC2_METADATA_DISABLED="false", **variables).message()


@pytest.mark.parametrize("content", [each for each in _NOT_KEYS if each])
def test_invalid_container_endpoints(authd_token: Callable, serve: Callable, content: str) -> None:
    """Any invalid response of the container's endpoint gives one error."""
    url = serve(lambda *_: (200, {}, content)).url
    assert "unexpected" not in authd_token("-i", "prod", AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{url}/x").message()


@pytest.mark.parametrize("arguments", [("-r", ROLE), ("--why",)])
@pytest.mark.parametrize("status", [200, 302, 403, 500])
def test_server_other_than_sts(
    authd_token: Callable, keys: dict[str, str], serve: Callable, status: int, arguments: tuple[str, ...]
) -> None:
    """If a captive portal responds in place of STS, the error says so, and shows nothing of the page."""
    url = serve(lambda *_: (status, {}, f"<html>{SECRET}<br></html>")).url
    message = authd_token("-i", "prod", *arguments, AWS_ENDPOINT_URL_STS=url, AWS_MAX_ATTEMPTS="1").message()
    assert "did not come from AWS" in message


def test_refused_web_identity(authd_token: Callable, environ: dict[str, str], sts: object, tmp_path: Path) -> None:
    """The web identity token in STS's error message is not shown."""
    sts.refusal = ("ValidationError", f"Value '{SECRET}' at 'webIdentityToken' failed to satisfy constraint")
    token = tmp_path / "token"
    token.write_text(SECRET)
    assert (
        "ValidationError"
        in authd_token(
            "-i", "prod", AWS_ROLE_ARN=ROLE, AWS_WEB_IDENTITY_TOKEN_FILE=str(token), AWS_REGION="eu-west-1"
        ).message()
    )


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"accessToken": 1, "expiresAt": 2}', '{"accessToken": "x", "expiresAt": "soon"}'],
)
def test_invalid_login(authd_token: Callable, write_aws: Callable, content: str) -> None:
    """The error for an invalid login file of the AWS CLI names the command that renews it."""
    write_aws(
        "config",
        "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Admin\n"
        "[sso-session corp]\nsso_start_url = https://corp.awsapps.example/start\nsso_region = us-east-1\n",
    )
    write_aws(f"sso/cache/{hashlib.sha1(b'corp').hexdigest()}.json", content)
    assert "`aws sso login`" in authd_token("-i", "prod").message()
