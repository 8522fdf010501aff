from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import botocore.auth
import botocore.configprovider
import pytest

import authd
from authd.client.aws.credential_chain import find_signer
from authd.client.fast.attempt import attempt
from authd.client.fast.exec_credential import parse_exec_info, render_exec_credential
from authd.client.fast.flags import parse_flags
from authd.client.fast.sigv4 import NotOnFastPath
from authd.client.fast.static_credentials import find_static_credentials
from authd.client.fast.timestamps import rfc3339
from authd.client.minting import sign_token
from authd.client.request.environment import collect_inputs
from authd.client.request.token_request import parse_token_request
from tests.client.rig.samples import KEY_ID, SECRET

NOW = 1_800_000_000
CONFIG = """\
[default]
region = eu-west-1
output = json

[profile keys]
region = ap-south-1
aws_access_key_id = AKIACONFIG
aws_secret_access_key = config+secret/1

[profile region]
region = us-west-2

[profile role]
role_arn = arn:aws:iam::123456789012:role/x
source_profile = default
"""
CREDENTIALS = """\
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = default+secret/1

[region]
aws_access_key_id = ASIAREGION
aws_secret_access_key = region+secret/1
aws_session_token = to/ken+1==

[keys]
region = ca-central-1
"""


@pytest.fixture
def here(home: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the clean environment and a fixed time in this process. The fixture is a function that sets variables."""
    import datetime as dt

    for name in list(os.environ):
        if name.startswith(("AWS_", "BOTO", "KUBERNETES_")) or name == "DEFAULT_ROLE":
            monkeypatch.delenv(name)
    for name, value in environ.items():
        if name not in ("PYTHONPATH", "PATH"):
            monkeypatch.setenv(name, value)
    moment = dt.datetime.fromtimestamp(NOW, dt.UTC).replace(tzinfo=None)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: moment)
    monkeypatch.setattr(time, "time", lambda: NOW)

    def enter(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return enter


def _fast(*arguments: str) -> str:
    return attempt(list(arguments), dict(os.environb), NOW)


def _full(*arguments: str) -> str:
    """Return the output of the full path: botocore's credentials, endpoint and signer."""
    options, info = parse_flags(list(arguments)), parse_exec_info(os.environb.get(b"KUBERNETES_EXEC_INFO"))
    inputs = collect_inputs(options, info)
    request = parse_token_request(inputs)
    minted = sign_token(find_signer(inputs, request, None), request)
    if options.token_only:
        return minted.token
    return render_exec_credential(info.api_version, minted.token, rfc3339(minted.expires_at))


_ENVIRONMENTS = (
    {},
    {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET},
    {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": "a/b+c=="},
    {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": ""},
    {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_CREDENTIAL_EXPIRATION": rfc3339(NOW + 800)},
    {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_CREDENTIAL_EXPIRATION": rfc3339(NOW + 7200)},
)
_REGIONS = (
    {},
    {"AWS_REGION": "eu-central-1"},
    {"AWS_DEFAULT_REGION": "sa-east-1"},
    {"AWS_DEFAULT_REGION": "sa-east-1", "AWS_REGION": "cn-north-1", "AWS_STS_REGIONAL_ENDPOINTS": "regional"},
)
_PROFILES: tuple[tuple[dict[str, str], tuple[str, ...]], ...] = (
    ({}, ()),
    ({"AWS_PROFILE": "keys"}, ()),
    ({"AWS_DEFAULT_PROFILE": "region"}, ()),
    ({"AWS_PROFILE": "default"}, ()),
    ({}, ("--profile", "region")),
    ({"AWS_PROFILE": "keys"}, ("--profile", "default")),
)


@pytest.mark.parametrize("profile", range(len(_PROFILES)))
@pytest.mark.parametrize("files", [True, False])
def test_same_output_on_both_paths(
    here: Callable[..., None],
    write_aws: Callable[[str, str], Path],
    monkeypatch: pytest.MonkeyPatch,
    files: bool,
    profile: int,
) -> None:
    """With the same clock, every combination of static credentials, region and profile gives the full path's output."""
    here()
    if files:
        write_aws("config", CONFIG)
        write_aws("credentials", CREDENTIALS)
    compared = 0
    more, arguments = _PROFILES[profile]
    for environment, region, option in itertools.product(_ENVIRONMENTS, _REGIONS, ((), ("--region", "us-gov-west-1"))):
        with monkeypatch.context() as patch:
            for name, value in {**environment, **region, **more}.items():
                patch.setenv(name, value)
            words = ("-i", "prod", *option, *arguments)
            try:
                fast = _fast(*words)
            except NotOnFastPath:
                continue
            compared += 1
            assert fast == _full(*words)
    assert compared >= (40 if files or not (more or arguments) else 0)


@pytest.mark.parametrize(
    "name",
    sorted(
        {
            variable
            for _, variables, _, _ in botocore.configprovider.BOTOCORE_DEFAUT_SESSION_VARIABLES.values()
            for variable in ([variables] if isinstance(variables, str) else variables or [])
        }
        | {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_SECURITY_TOKEN", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
           "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CREDENTIAL_FILE", "BOTO_CONFIG",
           "BOTOCORE_EXPERIMENTAL__PLUGINS", "AWS_SOMETHING_NEW"}
    ),
)  # fmt: skip
def test_unknown_variables(here: Callable[..., None], name: str) -> None:
    """If a variable of botocore may change the token and the fast path doesn't read it, the full path decides."""
    here(AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET, AWS_REGION="eu-west-1")
    assert _fast("-i", "prod")
    known = {
        "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_CA_BUNDLE", "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE", "AWS_REQUEST_CHECKSUM_CALCULATION",
        "AWS_RESPONSE_CHECKSUM_VALIDATION", "AWS_SDK_UA_APP_ID",
    }  # fmt: skip
    here(**{name: "1"})
    if name in known - {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"}:
        assert _fast("-i", "prod")
    else:
        with pytest.raises(NotOnFastPath):
            _fast("-i", "prod")


@pytest.mark.parametrize(
    ("variables", "arguments"),
    [
        ({"AWS_PROFILE": "missing"}, ()),
        ({"AWS_PROFILE": "role"}, ()),
        ({"AWS_STS_REGIONAL_ENDPOINTS": "legacy"}, ()),
        ({"AWS_CONFIG_FILE": "~/x"}, ()),
        ({"AWS_CONFIG_FILE": "$HOME/x"}, ()),
        ({"AWS_CREDENTIAL_EXPIRATION": rfc3339(NOW - 1)}, ()),
        ({"AWS_CREDENTIAL_EXPIRATION": "tomorrow"}, ()),
        ({"AWS_SECRET_ACCESS_KEY": ""}, ()),
        ({"HOME": ""}, ()),
        ({"DEFAULT_ROLE": "arn:aws:iam::123456789012:role/x"}, ()),
        ({}, ("-r", "arn:aws:iam::123456789012:role/x")),
        ({}, ("--endpoint", "sts.eu-west-1.amazonaws.com")),
        ({}, ("--cache",)),
        ({}, ("--why",)),
        ({}, ("--help",)),
        ({"KUBERNETES_EXEC_INFO": "{"}, ()),
    ],
)
def test_unusual_cases(
    here: Callable[..., None],
    write_aws: Callable[[str, str], Path],
    variables: dict[str, str],
    arguments: tuple[str, ...],
) -> None:
    """Roles, invalid values and unusual options are left to the full path."""
    write_aws("config", CONFIG)
    here(AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET, AWS_REGION="eu-west-1")
    assert _fast("-i", "prod")
    here(**variables)
    with pytest.raises(NotOnFastPath):
        _fast("-i", "prod", *arguments)


@pytest.mark.parametrize(
    "line",
    ["role_arn = x", "credential_process = x", "sso_account_id = 1", "endpoint_url = https://x", "services = x",
     "use_fips_endpoint = true", "use_dualstack_endpoint = true", "sts_regional_endpoints = legacy",
     "web_identity_token_file = /x", "something_new = 1", "login_session = x"],
)  # fmt: skip
@pytest.mark.parametrize("file", ["config", "credentials"])
def test_unknown_keys(here: Callable[..., None], write_aws: Callable[[str, str], Path], line: str, file: str) -> None:
    """If a key of the profile could change the token, in either file, the full path decides."""
    here()
    good = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = s\nregion = eu-west-1\n"
    write_aws(file, good)
    assert _fast("-i", "prod")
    write_aws(file, good + line + "\n")
    with pytest.raises(NotOnFastPath):
        _fast("-i", "prod")


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_EXECUTION_ENV": "CloudShell"}, {"AWS_ACCOUNT_ID": "123456789012"}, {"AWS_USE_FIPS_ENDPOINT": "false"},
        {"AWS_USE_DUALSTACK_ENDPOINT": "False"}, {"AWS_ENDPOINT_URL_S3": "http://x"}, {"AWS_MAX_ATTEMPTS": "5"},
        {"AWS_RETRY_MODE": "standard"}, {"AWS_VAULT": "dev", "AWS_VAULT_BACKEND": "file"}, {"AWS_PROFILE": ""},
        {"AWS_SECURITY_TOKEN": "t", "AWS_SESSION_TOKEN": "t"}, {"AWS_DEFAULT_REGION": ""}, {"AWS_ROLE_ARN": ""},
        {"AWS_PROFILE": "keys", "AWS_DEFAULT_PROFILE": "missing"},
    ],
)  # fmt: skip
def test_harmless_variables(
    here: Callable[..., None], write_aws: Callable[[str, str], Path], variables: dict[str, str]
) -> None:
    """With a variable that can't change the token, the fast path gives the full path's output."""
    write_aws("config", CONFIG)
    here(AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET, AWS_REGION="eu-west-1", **variables)
    assert _fast("-i", "prod") == _full("-i", "prod")


@pytest.mark.parametrize(
    "line",
    ["x_principal_arn = x", "x_security_token_expires = 2026-01-01T00:00:00Z", "granted_sso_role_name = x",
     "expiration = 2026-01-01T00:00:00Z", "mfa_serial = x", "aws_security_token = x", "use_fips_endpoint = false",
     "max_attempts = 5", "retry_mode = standard", "source_identity = me", "cli_pager ="],
)  # fmt: skip
@pytest.mark.parametrize("file", ["config", "credentials"])
def test_harmless_keys(here: Callable[..., None], write_aws: Callable[[str, str], Path], line: str, file: str) -> None:
    """With keys of saml2aws, aws-vault and granted, the fast path gives the full path's output."""
    here()
    write_aws(file, f"[default]\naws_access_key_id = AKIA\naws_secret_access_key = s\nregion = eu-west-1\n{line}\n")
    assert _fast("-i", "prod") == _full("-i", "prod")


def test_unset_home(here: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without HOME, the fast path uses the home folder in the password database, as botocore does."""
    here(AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET, AWS_REGION="eu-west-1")
    expected = _fast("-i", "prod")
    monkeypatch.delenv("HOME")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    assert _fast("-i", "prod") == expected


@pytest.mark.parametrize("seconds", [1, 2, 30, 59, 60, 61, 119, 120, 121, 850, 7200])
def test_expiry(here: Callable[..., None], seconds: int) -> None:
    """A token expires in the future, and not after its credentials."""
    end = rfc3339(NOW + seconds)
    here(AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET, AWS_REGION="eu-west-1", AWS_CREDENTIAL_EXPIRATION=end)
    credential = json.loads(_fast("-i", "prod"))
    assert rfc3339(NOW) < credential["status"]["expirationTimestamp"] <= end


def test_service_models(here: Callable[..., None], home: Path) -> None:
    """If there is a folder of service models below ~/.aws, which may change endpoints, the full path decides."""
    here(AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET, AWS_REGION="eu-west-1")
    (home / ".aws" / "models").mkdir(parents=True)
    with pytest.raises(NotOnFastPath):
        _fast("-i", "prod")


def test_precedence_of_cluster_ids(here: Callable[..., None]) -> None:
    """The option overrides the exec extension of the cluster, which overrides the environment."""
    here(AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET, AWS_REGION="eu-west-1")
    here(KUBERNETES_AWS_AUTHENTICATOR_CLUSTER_ID="from-environment")
    assert _fast("--token-only") == _fast("--token-only", "-i", "from-environment")
    here(
        KUBERNETES_EXEC_INFO='{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",'
        '"spec":{"cluster":{"server":"https://x","config":{"clusterID":"from-cluster"}},"interactive":false}}'
    )
    assert _fast("--token-only") == _fast("--token-only", "-i", "from-cluster")
    assert _fast("--token-only", "-i", "other") != _fast("--token-only", "-i", "from-cluster")


def test_repr(here: Callable[..., None]) -> None:
    """The repr of credentials has no secret."""
    here(AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET, AWS_REGION="eu-west-1")
    inputs = collect_inputs(parse_flags(["-i", "x"]), parse_exec_info(None))
    assert SECRET not in repr(find_static_credentials(inputs))


_LISTING = """
import sys; before = set(sys.modules); sys.path.append(sys.argv.pop(1))
import authd.client.entry as fast
fast._exit = lambda status: print(*sorted(set(sys.modules) - before), file=sys.stderr)
fast.run()
"""
_OWN = {"authd", "authd.client", "authd.client.entry", "authd.client.fast"} | {
    f"authd.client.fast.{name}"
    for name in ("attempt", "errors", "exec_credential", "flags", "inputs", "sigv4", "static_credentials",
                 "static_token", "sts_host", "shared_files", "timestamps")
}  # fmt: skip
_HARMLESS = {"__future__", "_sha256", "_sha2", "binascii", "_json"}


def _imported(environ: dict[str, str], *arguments: str) -> tuple[set[str], str]:
    """Return the imports and the output of authd-token with these arguments. Each call has a new parent process."""
    root = str(Path(authd.__file__).parents[1])
    words = [sys.executable, "-I", "-S", "-c", _LISTING, root, *arguments]
    done = subprocess.run(
        ["/bin/sh", "-c", '"$@"; exit $?', "sh", *words], env=environ, capture_output=True, text=True, check=True
    )
    return set(done.stderr.split()) - _HARMLESS, done.stdout


def test_imports_for_static_credentials(keys: dict[str, str]) -> None:
    """A token of static credentials imports none of the modules that would double the run time."""
    keys["KUBERNETES_EXEC_INFO"] = (
        '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",'
        '"spec":{"cluster":{"server":"https://x","config":{"clusterID":"prod"}},"interactive":false}}'
    )
    imported, printed = _imported(keys)
    assert imported == _OWN
    assert '"token":"k8s-aws-v1.' in printed


def test_imports_for_a_cached_token(keys: dict[str, str], sts: object, authd_token: Callable, tmp_path: Path) -> None:
    """A cached token, even of a role from a settings file, is found without botocore and a YAML parser."""
    settings = tmp_path / "settings.yaml"
    settings.write_text("clusterID: prod\ndefaultRole: arn:aws:iam::123456789012:role/x\n")
    arguments = ("--config", str(settings), "--cache", "--token-only")
    made = authd_token(*arguments)
    imported, printed = _imported(keys, *arguments)
    assert imported == _OWN | {"authd.client.fast.token_cache"}
    assert printed == made.out
