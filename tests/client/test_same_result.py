"""Fast path, full path and AWS CLI give the same result in thousands of clean and dirty environments.

The AWS CLI is version 1, called with version 2's meaning of AWS_REGION, which overrides AWS_DEFAULT_REGION.

Intended differences from the AWS CLI:

- An empty variable counts as unset, as in the SDKs other than Python's. The CLI reads an empty AWS_PROFILE as a name.
- AWS_PROFILE overrides AWS_DEFAULT_PROFILE, as in version 2 and the SDK for Go. Version 1 does the opposite.
- Malformed regions, keys with whitespace or quotes around them, empty keys and half of a pair in the environment are
  errors that name their place. The CLI signs with them, and STS refuses the signature.
- Without a region the token is for the global endpoint. The CLI requires a region.
"""

from __future__ import annotations

import base64
import os
import random
from collections.abc import Iterator
from pathlib import Path
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import pytest
from awscli.clidriver import create_clidriver
from botocore.exceptions import BotoCoreError

from authd.client.aws.credential_chain import find_signer
from authd.client.fast.attempt import attempt
from authd.client.fast.errors import ClientError
from authd.client.fast.exec_credential import parse_exec_info
from authd.client.fast.flags import parse_flags
from authd.client.fast.sigv4 import NotOnFastPath
from authd.client.minting import sign_token
from authd.client.request.environment import collect_inputs
from authd.client.request.token_request import parse_token_request

BATCHES, CASES = 8, 260
SECRET = "se+cret/1"
VARIABLES = {
    "AWS_ACCESS_KEY_ID": ["AKIAENV", "AKIAENV", "", " AKIAENV", "AKIA\n"],
    "AWS_SECRET_ACCESS_KEY": [SECRET, SECRET, SECRET, "", f"{SECRET} ", f'"{SECRET}"'],
    "AWS_SESSION_TOKEN": ["to/ken+==", "", "token\n"],
    "AWS_SECURITY_TOKEN": ["to/ken+==", "other", ""],
    "AWS_CREDENTIAL_EXPIRATION": ["2999-01-01T00:00:00Z", "", "2999-01-01T02:00:00+02:00"],
    "AWS_PROFILE": ["a", "b", "default", "", "missing", "role"],
    "AWS_DEFAULT_PROFILE": ["a", "b", "", "missing"],
    "AWS_REGION": ["eu-west-1", "", "us-gov-west-1", "cn-north-1", "eu_west_1", " eu-west-1"],
    "AWS_DEFAULT_REGION": ["ap-south-1", "", "eu-west-1a"],
    "AWS_USE_FIPS_ENDPOINT": ["false", "False", "", "maybe"],
    "AWS_USE_DUALSTACK_ENDPOINT": ["false", ""],
    "AWS_STS_REGIONAL_ENDPOINTS": ["regional", ""],
    "AWS_ENDPOINT_URL_S3": ["https://s3.example.com"],
    "AWS_EXECUTION_ENV": ["CloudShell"],
    "AWS_ACCOUNT_ID": ["123456789012"],
    "AWS_RETRY_MODE": ["standard"],
    "AWS_VAULT": ["dev"],
    "AWS_ROLE_ARN": ["", "arn:aws:iam::123456789012:role/x"],
}
LINES = [
    "aws_access_key_id = AKIAFILE", f"aws_secret_access_key = {SECRET}", "aws_session_token = file/token==",
    "aws_security_token = file/token==", "region = eu-central-1", "region =", "region = EU-WEST-1", "output = json",
    "aws_access_key_id =", "mfa_serial = arn:aws:iam::1:mfa/x", "x_principal_arn = x", "granted_sso_region = x",
    "expiration = 2020-01-01T00:00:00Z", "use_fips_endpoint = false", "max_attempts = 3", "# note", "",
    f"aws_secret_access_key = '{SECRET}'", "s3 =\n  max_concurrent_requests = 2", "s3 =\n  junk", "é = 1",
    "aws_account_id = 123456789012", "AWS_ACCESS_KEY_ID = AKIAUPPER", "region: eu-north-1",
]  # fmt: skip
GOOD = ["aws_access_key_id = AKIAGOOD", f"aws_secret_access_key = {SECRET}", "region = eu-west-3"]


def _file(dice: random.Random, prefix: str) -> str:
    names = dice.sample(["default", "a", "b", "other"], dice.randint(0, 4))
    text = ""
    for name in names:
        lines = GOOD if dice.random() < 0.5 else dice.sample(LINES, dice.randint(0, 5))
        header = name if name == "default" else f"{prefix}{name}"
        text += f"[{header}]\n" + "".join(f"{line}\n" for line in lines)
    if prefix and dice.random() < 0.1:
        text += f"[{prefix}role]\nrole_arn = arn:aws:iam::1:role/x\n"
    return text


@pytest.fixture
def clean(home: Path, environ: dict[str, str]) -> Iterator[dict[str, str]]:
    """Return a clean environment, and restore this process's own after the test."""
    (home / ".aws").mkdir()
    with mock.patch.dict(os.environ):
        yield {**environ, "AWS_EC2_METADATA_DISABLED": "true"}


def _enter(environ: dict[str, str]) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "KUBERNETES_", "BOTO")) or name == "DEFAULT_ROLE":
            del os.environ[name]
    os.environ.update(environ)


def _token(url: str) -> tuple[str, str | None, str, str]:
    query = parse_qs(urlsplit(url).query)
    key_id, _, region, *_ = query["X-Amz-Credential"][0].split("/")
    return key_id, query.get("X-Amz-Security-Token", [None])[0], region, urlsplit(url).netloc


def _decode(token: str) -> str:
    text = token.partition(".")[2]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def _fast(arguments: list[str]) -> tuple[str, str | None, str, str] | None:
    try:
        return _token(_decode(attempt(arguments, dict(os.environb), 1_800_000_000)))
    except (NotOnFastPath, ClientError):
        return None


def _full(arguments: list[str]) -> tuple[str, str | None, str, str] | str:
    try:
        inputs = collect_inputs(parse_flags(arguments), parse_exec_info(None))
        request = parse_token_request(inputs)
        return _token(_decode(sign_token(find_signer(inputs, request, None), request).token))
    except ClientError as error:
        return str(error)


def _aws_cli(arguments: list[str]) -> tuple[str, str | None, str | None] | str:
    if os.environ.get("AWS_REGION"):
        os.environ["AWS_DEFAULT_REGION"] = os.environ["AWS_REGION"]
    try:
        session = create_clidriver().session
        if "--profile" in arguments:
            session.set_config_variable("profile", arguments[arguments.index("--profile") + 1])
        found = session.get_credentials()
        region = session.get_config_variable("region")
        if "--region" in arguments:
            region = arguments[arguments.index("--region") + 1]
        if found is None:
            return "no credentials"
        keys = found.get_frozen_credentials()
    except (BotoCoreError, ValueError) as error:
        return str(error)
    return keys.access_key, keys.token or None, region


#: Errors of authd-token alone, by a part of their messages.
INTENDED = ("is empty", "whitespace", "quotes", "availability zone", "underscores", "capital", "true or false",
            "not a region", "characters that AWS never")  # fmt: skip


@pytest.mark.parametrize("batch", range(BATCHES))
def test_same_result(clean: dict[str, str], home: Path, batch: int) -> None:
    """The fast path gives the full path's result or none. The full path gives the AWS CLI's result or a listed error."""
    dice, fast, compared = random.Random(batch), 0, 0
    for case in range(CASES):
        (home / ".aws" / "config").write_text(_file(dice, "profile "))
        (home / ".aws" / "credentials").write_text(_file(dice, ""))
        names = dice.sample(sorted(VARIABLES), dice.choice([0, 1, 2, 3, 5, 8]))
        variables = {name: dice.choice(VARIABLES[name]) for name in names}
        if dice.random() < 0.4:
            variables.update(AWS_ACCESS_KEY_ID="AKIAENV", AWS_SECRET_ACCESS_KEY=SECRET)
        arguments = ["-i", "prod", "--token-only"]
        arguments += dice.choice([[], [], ["--profile", "a"], ["--profile", "default"]])
        arguments += dice.choice([[], [], [], ["--region", "sa-east-1"]])
        _enter({**clean, **variables})
        quick, full = _fast(arguments), _full(arguments)
        story = (batch, case, variables, arguments, quick, full)
        if quick is not None:
            fast += 1
            assert quick == full, story
        if case % 4 == 0:
            compared += _compare(clean, variables, arguments, full, story)
    assert fast > CASES // 10
    assert compared > CASES // 40


def _compare(
    clean: dict[str, str],
    variables: dict[str, str],
    arguments: list[str],
    full: tuple[str, str | None, str, str] | str,
    story: object,
) -> bool:
    # The intended differences about empty variables and the order of profiles.
    meant = {name: value for name, value in variables.items() if value}
    if "AWS_PROFILE" in meant:
        meant.pop("AWS_DEFAULT_PROFILE", None)
    _enter({**clean, **meant})
    theirs = _aws_cli(arguments)
    if isinstance(full, str):
        assert isinstance(theirs, str) or any(part in full for part in INTENDED), (*story, theirs)
        return False
    assert not isinstance(theirs, str), (*story, theirs)
    key_id, token, region = theirs
    assert full[:2] == (key_id, token), (*story, theirs)
    assert full[2] == (region or "us-east-1"), (*story, theirs)
    return True
