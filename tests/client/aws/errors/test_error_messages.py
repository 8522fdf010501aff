from __future__ import annotations

import datetime as dt
import json
import socket
import time
from collections.abc import Callable
from email.utils import format_datetime

import pytest

KEY_ID, SECRET = "AKIAEXAMPLEEXAMPLE00", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYSECRETKEY"
ROLE = "arn:aws:iam::123456789012:role/KubernetesAdmin"


def test_no_credentials_says_where_it_looked(authd_token: Callable) -> None:
    """Without any credentials the message names every place, and the next command."""
    sentence = authd_token("-i", "prod").sentence()
    for word in ("no AWS credentials", "AWS_ACCESS_KEY_ID", "'default'", "~/.aws/credentials", "container", "AWS_EC2_METADATA_DISABLED",
                 "aws configure", "aws sso login", "AWS_PROFILE"):  # fmt: skip
        assert word in sentence


def test_a_dead_metadata_address_costs_a_second_at_most(authd_token: Callable, environ: dict[str, str]) -> None:
    """If the metadata address swallows every packet, the message still arrives and names the metadata."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        environ.update(
            AWS_EC2_METADATA_DISABLED="false",
            AWS_EC2_METADATA_SERVICE_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}",
            AWS_METADATA_SERVICE_TIMEOUT="60",
            AWS_METADATA_SERVICE_NUM_ATTEMPTS="9",
        )
        assert "the instance metadata" in authd_token("-i", "prod").sentence()


def test_slow_instance_metadata_has_one_second_in_all(
    authd_token: Callable, serve: Callable, environ: dict[str, str]
) -> None:
    """Each answer in time but all three together too late: that is no instance metadata."""
    keys = json.dumps(
        {"AccessKeyId": "ASIA", "SecretAccessKey": SECRET, "Token": "t", "Expiration": "2999-01-01T00:00:00Z"}
    )

    def answer(_: str, path: str, *__: object) -> tuple[int, dict[str, str], str]:
        time.sleep(0.5)
        return 200, {}, keys if path.endswith("role") else "role"

    environ.update(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=serve(answer).url)
    assert "no AWS credentials" in authd_token("-i", "prod").sentence()


@pytest.mark.parametrize("how", ["option", "variable"])
def test_missing_profile_is_named(authd_token: Callable, how: str) -> None:
    """A profile that does not exist is named."""
    answer = (
        authd_token("-i", "x", "--profile", "nix") if how == "option" else authd_token("-i", "x", AWS_PROFILE="nix")
    )
    assert "'nix'" in answer.sentence()
    assert "list-profiles" in answer.sentence()


def test_denied_role_names_principal_role_and_trust(authd_token: Callable, keys: dict[str, str], sts: object) -> None:
    """AccessDenied on AssumeRole names the caller, the role and the missing permission."""
    user = "arn:aws:iam::999999999999:user/alice"
    sts.refusal = ("AccessDenied", f"User: {user} is not authorized to perform: sts:AssumeRole on resource: {ROLE}")
    sentence = authd_token("-i", "prod", "-r", ROLE).sentence()
    for word in (user, ROLE, "trust policy", "sts:AssumeRole", "--external-id"):
        assert word in sentence
    assert "--external-id" not in authd_token("-i", "prod", "-r", ROLE, "-e", "ext").sentence()


def test_a_wrong_code_is_called_that(authd_token: Callable, keys: dict[str, str], sts: object) -> None:
    """A refused MFA code isn't taken for a matter of trust."""
    sts.refusal = ("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.")
    assert "MFA code" in authd_token("-i", "prod", "-r", ROLE).sentence()


@pytest.mark.parametrize(
    ("minutes", "word"), [(7, "7 minutes behind"), (-30, "30 minutes ahead of"), (60 * 24, "24 hours behind")]
)
def test_a_wrong_clock_is_measured(
    authd_token: Callable, keys: dict[str, str], sts: object, minutes: int, word: str
) -> None:
    """A signature that STS refuses for its date says by how much the clock is wrong."""
    sts.refusal = ("SignatureDoesNotMatch", "Signature expired: 2026 is now earlier than 2027")
    sts.headers = {"Date": format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes), usegmt=True)}
    assert word in authd_token("-i", "prod", "-r", ROLE).sentence()


def test_a_wrong_clock_is_found_by_instance_metadata(
    authd_token: Callable, serve: Callable, environ: dict[str, str]
) -> None:
    """The Date header of the instance metadata shows a wrong clock before a useless token is made."""
    date = format_datetime(dt.datetime.now(dt.UTC) - dt.timedelta(minutes=20), usegmt=True)
    keys = json.dumps(
        {"AccessKeyId": "ASIA", "SecretAccessKey": SECRET, "Token": "t", "Expiration": "2999-01-01T00:00:00Z"}
    )
    endpoint = serve(lambda _, path, *__: (200, {"Date": date}, keys if path.endswith("role") else "role"))
    environ.update(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint.url)
    assert "20 minutes ahead of the instance metadata service" in authd_token("-i", "prod").sentence()


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
def test_refusals_say_what_to_try(
    authd_token: Callable, keys: dict[str, str], sts: object, code: str, word: str
) -> None:
    """STS's error codes become sentences; AWS's own text, which may repeat the request, isn't shown."""
    sts.refusal = (code, "the canonical string should have been X-Amz-Security-Token=HIDDEN")
    sentence = authd_token("-i", "prod", "-r", ROLE, AWS_MAX_ATTEMPTS="1").sentence()
    assert word in sentence
    assert "HIDDEN" not in sentence


def test_refused_parameters_are_quoted(authd_token: Callable, keys: dict[str, str], sts: object) -> None:
    """What STS says about a bad parameter is passed on, since nobody can say it better."""
    sts.refusal = ("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    assert "MaxSessionDuration" in authd_token("-i", "prod", "-r", ROLE, "--duration", "12h").sentence()


def test_unreachable_endpoint_is_named(authd_token: Callable, keys: dict[str, str]) -> None:
    """An STS that can't be reached is named with its host, without the request."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        sentence = authd_token("-i", "prod", "-r", ROLE, AWS_ENDPOINT_URL_STS=url, AWS_MAX_ATTEMPTS="1").sentence()
    assert "cannot reach 127.0.0.1" in sentence


def test_a_broken_shared_file_shows_no_line_of_it(authd_token: Callable, write_aws: Callable) -> None:
    """A shared file that can't be parsed is named with the line's number, not with its content."""
    write_aws("credentials", f"[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key {SECRET}\n")
    sentence = authd_token("-i", "prod").sentence()
    assert ".aws/credentials, line 3" in sentence


def test_incomplete_keys_are_named(authd_token: Callable, environ: dict[str, str]) -> None:
    """A key ID without its secret names the missing part."""
    assert "AWS_SECRET_ACCESS_KEY is missing" in authd_token("-i", "prod", AWS_ACCESS_KEY_ID=KEY_ID).sentence()


def test_expired_keys_in_the_environment(authd_token: Callable, keys: dict[str, str]) -> None:
    """Expired credentials don't sign a token."""
    assert "expired" in authd_token("-i", "prod", AWS_CREDENTIAL_EXPIRATION="2020-01-01T00:00:00Z").sentence()


@pytest.mark.parametrize(
    "program", ["exit 3", f"echo {SECRET} >&2; exit 1", f"echo '{SECRET}'", "echo '{}'", "echo '[]'"]
)
def test_a_failing_process_shows_nothing_it_said(authd_token: Callable, write_aws: Callable, program: str) -> None:
    """A failing credential_process is named. Its output could contain a secret and is not shown."""
    script = write_aws("process.sh", program)
    write_aws("config", f"[default]\ncredential_process = sh {script}\n")
    assert "credential" in authd_token("-i", "prod").sentence()


def test_missing_web_identity_token(authd_token: Callable, environ: dict[str, str]) -> None:
    """A web identity token file that isn't there is named."""
    sentence = authd_token(
        "-i", "x", AWS_ROLE_ARN=ROLE, AWS_WEB_IDENTITY_TOKEN_FILE="/no/token", AWS_REGION="eu-west-1"
    )
    assert "/no/token" in sentence.sentence()


@pytest.mark.parametrize(
    "config",
    ["[default]\nrole_arn = x\n", "[default]\nrole_arn = x\nsource_profile = nix\n", "[default]\nservices = nix\n",
     "[default]\nrole_arn = x\ncredential_source = Moon\n", "[default]\nregion = No Region\naws_access_key_id = a\naws_secret_access_key = b c\n",
     "[default]\nsso_session = nix\nsso_account_id = 1\nsso_role_name = x\n", "[default]\nmax_attempts = many\naws_access_key_id = a\n",
     "[default]\nrole_arn = x\nsource_profile = default\n"],
)  # fmt: skip
def test_no_broken_profile_ends_in_a_traceback(authd_token: Callable, write_aws: Callable, config: str) -> None:
    """Whatever is wrong with a profile, there is one sentence."""
    write_aws("config", config)
    assert authd_token("-i", "prod").sentence()


def test_a_bad_arn_in_a_profile_is_named(authd_token: Callable, write_aws: Callable) -> None:
    """A profile's value that isn't a role's ARN is named."""
    keys = f"aws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n"
    write_aws("config", f"[default]\nrole_arn = x\nsource_profile = base\n[profile base]\n{keys}")
    assert "role_arn of the profile 'default'" in authd_token("-i", "prod").sentence()


def test_json_log_format(authd_token: Callable) -> None:
    """--log-format json makes the sentence a JSON object."""
    line = json.loads(authd_token("-i", "prod", "-l", "json").sentence())
    assert line["level"] == "error"
    assert "no AWS credentials" in line["msg"]


def test_unknown_exec_info_gets_a_word(authd_token: Callable, keys: dict[str, str]) -> None:
    """Malformed ExecInfo is a warning, and the answer is v1beta1."""
    answer = authd_token("-i", "prod", KUBERNETES_EXEC_INFO="{")
    assert answer.status == 0
    assert "KUBERNETES_EXEC_INFO" in answer.err
    assert json.loads(answer.out)["apiVersion"].endswith("/v1beta1")


def test_help_and_version(authd_token: Callable) -> None:
    """--help shows an example and --version the version, on stdout."""
    shown = authd_token("--help")
    assert (shown.status, shown.err) == (0, "")
    assert "Example" in shown.out
    assert authd_token("--version").out.startswith("authd-token ")
