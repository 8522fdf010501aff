from __future__ import annotations

import datetime as dt
import json
import socket
import time
from collections.abc import Callable
from email.utils import format_datetime

import pytest

from tests.client.rig.samples import KEY_ID, ROLE, SECRET


def test_no_credentials(authd_token: Callable) -> None:
    """Without any credentials the message names every searched place and the next command."""
    message = authd_token("-i", "prod").message()
    for word in ("no AWS credentials", "AWS_ACCESS_KEY_ID", "'default'", "~/.aws/credentials", "container", "AWS_EC2_METADATA_DISABLED",
                 "aws configure", "aws sso login", "AWS_PROFILE"):  # fmt: skip
        assert word in message


def test_silent_instance_metadata(authd_token: Callable, environ: dict[str, str]) -> None:
    """If the metadata address never responds, the message names the instance metadata as a searched place."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        environ.update(
            AWS_EC2_METADATA_DISABLED="false",
            AWS_EC2_METADATA_SERVICE_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}",
            AWS_METADATA_SERVICE_TIMEOUT="60",
            AWS_METADATA_SERVICE_NUM_ATTEMPTS="9",
        )
        assert "the instance metadata" in authd_token("-i", "prod").message()


def test_slow_instance_metadata(authd_token: Callable, serve: Callable, environ: dict[str, str]) -> None:
    """The limit of one second is for all metadata requests together."""
    keys = json.dumps(
        {"AccessKeyId": "ASIA", "SecretAccessKey": SECRET, "Token": "t", "Expiration": "2999-01-01T00:00:00Z"}
    )

    def respond(_: str, path: str, *__: object) -> tuple[int, dict[str, str], str]:
        time.sleep(0.5)
        return 200, {}, keys if path.endswith("role") else "role"

    environ.update(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=serve(respond).url)
    assert "no AWS credentials" in authd_token("-i", "prod").message()


@pytest.mark.parametrize("how", ["option", "variable"])
def test_missing_profile(authd_token: Callable, how: str) -> None:
    """The error names a profile that does not exist."""
    result = (
        authd_token("-i", "x", "--profile", "nix") if how == "option" else authd_token("-i", "x", AWS_PROFILE="nix")
    )
    assert "'nix'" in result.message()
    assert "list-profiles" in result.message()


def test_denied_role(authd_token: Callable, keys: dict[str, str], sts: object) -> None:
    """The error for AccessDenied on AssumeRole names the caller, the role and the missing permission."""
    user = "arn:aws:iam::999999999999:user/alice"
    sts.refusal = ("AccessDenied", f"User: {user} is not authorized to perform: sts:AssumeRole on resource: {ROLE}")
    message = authd_token("-i", "prod", "-r", ROLE).message()
    for word in (user, ROLE, "trust policy", "sts:AssumeRole", "--external-id"):
        assert word in message
    assert "--external-id" not in authd_token("-i", "prod", "-r", ROLE, "-e", "ext").message()


def test_refused_mfa_code(authd_token: Callable, keys: dict[str, str], sts: object) -> None:
    """The error for a refused MFA code names the code, not the trust policy."""
    sts.refusal = ("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.")
    assert "MFA code" in authd_token("-i", "prod", "-r", ROLE).message()


@pytest.mark.parametrize(
    ("minutes", "word"), [(7, "7 minutes behind"), (-30, "30 minutes ahead of"), (60 * 24, "24 hours behind")]
)
def test_wrong_clock(authd_token: Callable, keys: dict[str, str], sts: object, minutes: int, word: str) -> None:
    """If STS refuses a signature for its date, the error states the clock's difference."""
    sts.refusal = ("SignatureDoesNotMatch", "Signature expired: 2026 is now earlier than 2027")
    sts.headers = {"Date": format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes), usegmt=True)}
    assert word in authd_token("-i", "prod", "-r", ROLE).message()


def test_wrong_clock_by_instance_metadata(authd_token: Callable, serve: Callable, environ: dict[str, str]) -> None:
    """The Date header of the instance metadata reveals a wrong clock before a useless token is made."""
    date = format_datetime(dt.datetime.now(dt.UTC) - dt.timedelta(minutes=20), usegmt=True)
    keys = json.dumps(
        {"AccessKeyId": "ASIA", "SecretAccessKey": SECRET, "Token": "t", "Expiration": "2999-01-01T00:00:00Z"}
    )
    endpoint = serve(lambda _, path, *__: (200, {"Date": date}, keys if path.endswith("role") else "role"))
    environ.update(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint.url)
    assert "20 minutes ahead of the instance metadata service" in authd_token("-i", "prod").message()


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("SignatureDoesNotMatch", "secret access key does not match"),
        ("InvalidClientTokenId", "does not know the access key"),
        ("ExpiredToken", "expired"),
        ("RegionDisabledException", "--region"),
        ("Throttling", "throttling"),
        ("SomethingNew", "SomethingNew"),
    ],
)
def test_error_codes(authd_token: Callable, keys: dict[str, str], sts: object, code: str, word: str) -> None:
    """Each error code of STS has its own message. AWS's text, which may repeat the request, isn't shown."""
    sts.refusal = (code, "the canonical string should have been X-Amz-Security-Token=HIDDEN")
    message = authd_token("-i", "prod", "-r", ROLE, AWS_MAX_ATTEMPTS="1").message()
    assert word in message
    assert "HIDDEN" not in message


def test_refused_parameter(authd_token: Callable, keys: dict[str, str], sts: object) -> None:
    """STS's message about an invalid parameter is quoted."""
    sts.refusal = ("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    assert "MaxSessionDuration" in authd_token("-i", "prod", "-r", ROLE, "--duration", "12h").message()


def test_unreachable_endpoint(authd_token: Callable, keys: dict[str, str]) -> None:
    """The error for an unreachable STS names its host, and shows nothing of the request."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        message = authd_token("-i", "prod", "-r", ROLE, AWS_ENDPOINT_URL_STS=url, AWS_MAX_ATTEMPTS="1").message()
    assert "cannot reach 127.0.0.1" in message


def test_invalid_shared_file(authd_token: Callable, write_aws: Callable) -> None:
    """The error for an invalid shared file has the line's number, but not its content."""
    write_aws("credentials", f"[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key {SECRET}\n")
    message = authd_token("-i", "prod").message()
    assert ".aws/credentials, line 3" in message


def test_incomplete_keys(authd_token: Callable, environ: dict[str, str]) -> None:
    """The error for a key ID without its secret key names the missing variable."""
    assert "AWS_SECRET_ACCESS_KEY is missing" in authd_token("-i", "prod", AWS_ACCESS_KEY_ID=KEY_ID).message()


def test_expired_keys_in_the_environment(authd_token: Callable, keys: dict[str, str]) -> None:
    """Expired credentials give an error instead of a token."""
    assert "expired" in authd_token("-i", "prod", AWS_CREDENTIAL_EXPIRATION="2020-01-01T00:00:00Z").message()


@pytest.mark.parametrize(
    "program", ["exit 3", f"echo {SECRET} >&2; exit 1", f"echo '{SECRET}'", "echo '{}'", "echo '[]'"]
)
def test_failing_process(authd_token: Callable, write_aws: Callable, program: str) -> None:
    """The error names a failing credential_process. Its output could contain a secret and is not shown."""
    script = write_aws("process.sh", program)
    write_aws("config", f"[default]\ncredential_process = sh {script}\n")
    assert "credential" in authd_token("-i", "prod").message()


def test_missing_web_identity_token(authd_token: Callable, environ: dict[str, str]) -> None:
    """The error names a missing web identity token file."""
    result = authd_token("-i", "x", AWS_ROLE_ARN=ROLE, AWS_WEB_IDENTITY_TOKEN_FILE="/no/token", AWS_REGION="eu-west-1")
    assert "/no/token" in result.message()


@pytest.mark.parametrize(
    "config",
    ["[default]\nrole_arn = x\n", "[default]\nrole_arn = x\nsource_profile = nix\n", "[default]\nservices = nix\n",
     "[default]\nrole_arn = x\ncredential_source = Moon\n", "[default]\nregion = No Region\naws_access_key_id = a\naws_secret_access_key = b c\n",
     "[default]\nsso_session = nix\nsso_account_id = 1\nsso_role_name = x\n", "[default]\nmax_attempts = many\naws_access_key_id = a\n",
     "[default]\nrole_arn = x\nsource_profile = default\n"],
)  # fmt: skip
def test_invalid_profile(authd_token: Callable, write_aws: Callable, config: str) -> None:
    """Every invalid profile gives an error of one line, without a traceback."""
    write_aws("config", config)
    assert authd_token("-i", "prod").message()


def test_invalid_arn_in_a_profile(authd_token: Callable, write_aws: Callable) -> None:
    """The error names the profile's setting whose value is not the ARN of a role."""
    keys = f"aws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n"
    write_aws("config", f"[default]\nrole_arn = x\nsource_profile = base\n[profile base]\n{keys}")
    assert "role_arn of the profile 'default'" in authd_token("-i", "prod").message()


def test_json_log_format(authd_token: Callable) -> None:
    """With --log-format json the message is a JSON object."""
    line = json.loads(authd_token("-i", "prod", "-l", "json").message())
    assert line["level"] == "error"
    assert "no AWS credentials" in line["msg"]


def test_malformed_exec_info(authd_token: Callable, keys: dict[str, str]) -> None:
    """For a malformed ExecInfo there is a warning and a v1beta1 credential."""
    result = authd_token("-i", "prod", KUBERNETES_EXEC_INFO="{")
    assert result.status == 0
    assert "KUBERNETES_EXEC_INFO" in result.err
    assert json.loads(result.out)["apiVersion"].endswith("/v1beta1")


def test_help_and_version(authd_token: Callable) -> None:
    """--help shows an example and --version the version, on stdout."""
    shown = authd_token("--help")
    assert (shown.status, shown.err) == (0, "")
    assert "Example" in shown.out
    assert authd_token("--version").out.startswith("authd-token ")
