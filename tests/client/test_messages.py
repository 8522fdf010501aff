"""Common failures: each gives one line with the fault and the next step."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from tests.client.rig.result import Result
from tests.client.rig.samples import KEY_ID, ROLE, SECRET

STATIC = f"aws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n"
SSO = (
    "[sso-session corp]\nsso_start_url = https://example.awsapps.com/start\nsso_region = us-east-1\n"
    "[profile dev]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = Developer\nregion = us-east-1\n"
    "[profile admin]\nsource_profile = dev\nrole_arn = arn:aws:iam::111122223333:role/Admin\n"
)
EXCEPTION_NAME = re.compile(r"\b[A-Z][A-Za-z]*(?:Error|Exception|NotFound|Required|Denied)\b")


def _assert_message(result: Result, *words: str) -> None:
    message = result.message()
    for word in words:
        assert word in message, message
    assert not EXCEPTION_NAME.search(message), message


@pytest.mark.parametrize(
    ("config", "variables", "words"),
    [
        (SSO, {"AWS_PROFILE": "dev"}, ("aws sso login --profile dev",)),
        (SSO, {"AWS_PROFILE": "admin"}, ("aws sso login --profile dev",)),
        (SSO, {"AWS_DEFAULT_PROFILE": "dev"}, ("aws sso login --profile dev",)),
        (SSO, {"AWS_PROFILE": "dve"}, ("'dve'", "did you mean 'dev'")),
        ("[profile con]\nlogin_session = arn:aws:iam::1:user/a\n", {"AWS_PROFILE": "con"}, ("aws login",)),
        (f"[default]\nrole_arn = {ROLE}\nsource_profile = nix\n", {}, ("'default'", "'nix'", "neither")),
        (f"[default]\nrole_arn = {ROLE}\n", {}, ("'default'", "source_profile")),
        (f"[default]\nrole_arn = {ROLE}\nsource_profile = a\ncredential_source = Environment\n", {}, ("both",)),
        (f"[default]\nrole_arn = {ROLE}\ncredential_source = Moon\n", {}, ("'Moon'", "Ec2InstanceMetadata")),
        (
            f"[default]\nrole_arn = {ROLE}\nsource_profile = b\n[profile b]\nrole_arn = {ROLE}\nsource_profile = default\n",
            {},
            ("cycle",),
        ),
        ("[default]\nweb_identity_token_file = /x\n", {}, ("'default'", "no role_arn")),
        ("[default]\nsso_session = nix\nsso_account_id = 1\nsso_role_name = x\n", {}, ("[sso-session nix]",)),
        ("[default]\nsso_start_url = https://x\n", {}, ("sso_account_id", "aws configure sso")),
        ("[default]\nrole_arn = arn:aws:iam::1234:role/x\nsource_profile = b\n", {}, ("role_arn", "12 digits")),
        ("[default]\nsource_profile = b\n[profile b]\n", {}, ("'default'", "no role_arn")),
        (f"[default]\nrole_arn = {ROLE}\nsource_profile = b\n[profile b]\nregion = x\n", {}, ("'b'", "no credentials")),
        (f"[default]\nrole_arn = {ROLE}\nsource_profile = default\n", {}, ("'default'", "own source_profile")),
        (f"[default]\nrole_arn = {ROLE}\ncredential_source = EcsContainer\n", {}, ("EcsContainer", "'default'")),
        (f"[default]\nrole_arn = {ROLE}\nweb_identity_token_file = /no/file\n", {}, ("web_identity_token_file", "/no/file")),
        (f"[mine]\n{STATIC}", {"AWS_PROFILE": "mine"}, ("[profile mine]",)),
        (f"[default]\n{STATIC}services = nix\n", {}, ("'default'", "[services nix]")),
        ("", {"AWS_SHARED_CREDENTIALS_FILE": "/no/file"}, ("AWS_SHARED_CREDENTIALS_FILE names /no/file, which does not exist",)),
        ("", {"AWS_CONFIG_FILE": "/no/file", "AWS_PROFILE": "x"}, ("'x'", "AWS_CONFIG_FILE names /no/file")),
        (f"[default]\n{STATIC}", {"AWS_ENDPOINT_URL_STS": "127.0.0.1:1"}, ("AWS_ENDPOINT_URL_STS is not a URL",)),
        ("", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com"}, ("AWS_CONTAINER_CREDENTIALS_FULL_URI",)),
        ("", {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"}, ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",)),
        (
            "",
            {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_CREDENTIAL_EXPIRATION": "tomorrow"},
            ("AWS_CREDENTIAL_EXPIRATION is 'tomorrow'",),
        ),
        (f"[default]\n{STATIC}region = eu-west-1 # home\n", {}, ("'default'", "comment")),
        (f"[default]\naws_access_key_id = {KEY_ID} # mine\naws_secret_access_key = {SECRET}\n", {}, ("comment",)),
        (f"[default]\n{STATIC}region = us-east\n", {}, ("'us-east'", "not a region")),
        ("", {"AWS_WEB_IDENTITY_TOKEN_FILE": "/no/token"}, ("AWS_ROLE_ARN is not",)),
        ("", {"AWS_WEB_IDENTITY_TOKEN_FILE": "/no/token", "AWS_ROLE_ARN": ROLE}, ("/no/token", "mounted")),
        ("", {"AWS_ROLE_ARN": ROLE}, ("AWS_ROLE_ARN but no AWS_WEB_IDENTITY_TOKEN_FILE",)),
        (
            "",
            {"AWS_WEB_IDENTITY_TOKEN_FILE": "/dev/null", "AWS_ROLE_ARN": ROLE, "AWS_ROLE_SESSION_NAME": "org/x@y"},
            ("AWS_ROLE_SESSION_NAME", "2 to 64"),
        ),
        (f"[default]\n{STATIC}region = eu-west-1a\n", {}, ("'eu-west-1a'", "availability zone", "write eu-west-1")),
        (f"[default]\n{STATIC}region = eu_west_1\n", {}, ("'default'", "underscores", "write eu-west-1")),
        (f"[default]\n{STATIC}", {"AWS_REGION": " eu-west-1"}, ("AWS_REGION", "whitespace", "write eu-west-1")),
        (f"[default]\n{STATIC}", {"AWS_DEFAULT_REGION": "EU-West-1"}, ("AWS_DEFAULT_REGION", "capital")),
        (f"[default]\n{STATIC}", {"AWS_REGION": "Ireland!"}, ("AWS_REGION", "not a region")),
        (f"[default]\n{STATIC}", {"AWS_USE_FIPS_ENDPOINT": "maybe"}, ("AWS_USE_FIPS_ENDPOINT", "true or false")),
        (f"[default]\n{STATIC}use_fips_endpoint = 1\n", {}, ("use_fips_endpoint", "'default'", "true or false")),
        (f"[default]\n{STATIC}", {"AWS_USE_DUALSTACK_ENDPOINT": "x"}, ("AWS_USE_DUALSTACK_ENDPOINT",)),
        (f"[default]\naws_access_key_id =\naws_secret_access_key = {SECRET}\n", {}, ("aws_access_key_id", "config", "empty")),
        (f"[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = '{SECRET}'\n", {}, ("quotes", "config")),
        (f"[default]\naws_access_key_id = {KEY_ID}\n", {}, ("aws_secret_access_key is missing", "'default'")),
        ("", {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": SECRET}, ("AWS_ACCESS_KEY_ID is empty",)),
        ("", {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": ""}, ("AWS_SECRET_ACCESS_KEY is missing",)),
        ("", {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": f"{SECRET}\r"}, ("AWS_SECRET_ACCESS_KEY", "whitespace")),
        ("", {"AWS_ACCESS_KEY_ID": f" {KEY_ID}", "AWS_SECRET_ACCESS_KEY": SECRET}, ("AWS_ACCESS_KEY_ID", "whitespace")),
        (f"[default]\n{STATIC}[profile a]\nx = 1\n[profile b]\n[profile a]\n", {}, ("[profile a] appears twice", "line 4 and line 7")),
        (f"[default]\n{STATIC}region = a\nregion = b\n", {}, ("region appears twice", "line 4 and line 5")),
        (f"[default]\n{STATIC}[profile o]\ns3 =\n  junk\n", {}, ("config, line 6",)),
        (f"region = x\n[default]\n{STATIC}", {}, ("config, line 1", "section")),
    ],
)  # fmt: skip
def test_settings(
    authd_token: Callable[..., Result],
    write_aws: Callable[[str, str], Path],
    config: str,
    variables: dict[str, str],
    words: tuple[str, ...],
) -> None:
    """The error names the faulty profile, variable or shared file."""
    write_aws("config", config)
    _assert_message(authd_token("-i", "prod", **variables), *words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-cluster-id", "c1"), ("--cluster-id", "two dashes")),
        (("-role=x",), ("--role", "two dashes")),
        (("--cluster-idd", "c1"), ("did you mean --cluster-id?",)),
        (("--token", "x"), ("`authd verify`",)),
        (("server", "--state-dir=/x"), ("`authd server`",)),
        (("verify", "-i", "c1"), ("`authd verify`",)),
        (("--role-session-name", "x"), ("did you mean --session-name?",)),
        (("tokn",), ("did you mean token?",)),
        (("get-token", "--cluster-name", "x"), ("did you mean eks get-token?",)),
        (("--frobnicate",), ("--frobnicate", "--help")),
        (("-i", "c1", "--region", "eu-west-1a"), ("--region", "write eu-west-1")),
        (("-i", "c1", "--region", "EU_WEST_1"), ("--region", "write eu-west-1")),
        (("-i", " c1"), ("whitespace",)),
        (("-i", "c" * 1025), ("1024",)),
        (("-i", "c1", "-r", "arn:aws:iam::<ACCOUNT>:role/x"), ("placeholder",)),
        (("-i", "c1", "-r", "arn:aws:sts::123456789012:assumed-role/x/y"), ("session of a role",)),
        (("-i", "c1", "--output", "text"), ("--output", "json")),
        (("-i", "c1", "-r", ROLE, "--duration", "5m"), ("--duration", "15m to 12h")),
    ],
)
def test_arguments(authd_token: Callable[..., Result], arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    """The error names the faulty argument and the likely option or program, and the status is 2."""
    result = authd_token(*arguments)
    _assert_message(result, *words)
    assert result.status == 2


@pytest.mark.parametrize(
    ("process", "words"),
    [
        ("/no/such/tool --x", ("cannot be started",)),
        ("~/bin/tool", ("'~/bin/tool'", "needs a shell")),
        ("$HOME/bin/tool", ("needs a shell",)),
        ("echo {} | cat", ("'|'", "needs a shell", "sh -c")),
        ("sh -c 'exit 7'", ("exit status 7",)),
        ("sh -c 'kill -9 $$'", ("signal 9",)),
        ("echo hello", ("other than JSON",)),
        ("echo []", ("not an object",)),
        ("echo {}", ("Version",)),
        ("""echo '{"Version": 1}'""", ("without AccessKeyId",)),
        ("""echo '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b", "Expiration": 5}'""", ("Expiration",)),
    ],
)
def test_credential_processes(
    authd_token: Callable[..., Result], write_aws: Callable[[str, str], Path], process: str, words: tuple[str, ...]
) -> None:
    """The error for a failing credential_process names its profile and the reason."""
    write_aws("config", f"[profile p]\ncredential_process = {process}\n")
    _assert_message(authd_token("-i", "prod", "--profile", "p"), "credential_process of the profile 'p'", *words)


def test_unreadable_shared_file(authd_token: Callable[..., Result], home: Path) -> None:
    """The error names an unreadable shared file, unless other credentials are found first."""
    (home / ".aws" / "credentials").mkdir(parents=True)
    _assert_message(authd_token("-i", "prod"), str(home / ".aws" / "credentials"), "cannot be read")
    assert authd_token("-i", "prod", AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET).status == 0


def test_login_without_its_package(authd_token: Callable[..., Result], write_aws: Callable[[str, str], Path]) -> None:
    """The error for `aws login` names the command that installs its package or starts the login."""
    write_aws("config", "[profile con]\nregion = us-east-1\nlogin_session = arn:aws:iam::111122223333:user/alice\n")
    _assert_message(authd_token("-i", "prod", AWS_PROFILE="con"), "aws login")


@pytest.fixture
def company_proxy(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Run a TLS server with a certificate of a private CA, and return its URL and the CA file."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.handle_error = lambda *_: None  # clients that refuse the certificate
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    yield f"https://127.0.0.1:{server.server_port}", bundle
    server.shutdown()
    server.server_close()


def test_connections(
    authd_token: Callable[..., Result], keys: dict[str, str], company_proxy: tuple[str, Path], tmp_path: Path
) -> None:
    """Errors for untrusted certificates, unusable CA bundles and unreachable endpoints name the setting."""
    url, _ = company_proxy
    call = ("-i", "prod", "-r", ROLE)
    keys.update(AWS_ENDPOINT_URL_STS=url, AWS_MAX_ATTEMPTS="1")
    _assert_message(authd_token(*call), "certificate", "not trusted", "company proxy", "AWS_CA_BUNDLE")
    _assert_message(authd_token(*call, AWS_CA_BUNDLE="/no/ca.pem"), "AWS_CA_BUNDLE names /no/ca.pem", "No such file")
    _assert_message(authd_token(*call, AWS_CA_BUNDLE=str(tmp_path)), "folder")
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    _assert_message(authd_token(*call, AWS_CA_BUNDLE=str(junk)), "no PEM certificates")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{closed.getsockname()[1]}"
        for scheme in ("http", "https"):
            result = authd_token(*call, AWS_ENDPOINT_URL_STS=f"{scheme}://{dead}")
            _assert_message(result, f"cannot reach {dead}", "AWS_ENDPOINT_URL_STS", "unset it")
        _assert_message(authd_token(*call, HTTPS_PROXY=f"http://{dead}"), "proxy", "HTTPS_PROXY")


@pytest.mark.parametrize(
    "option", [("--external-id", "ext"), ("--session-name", "me"), ("--forward-session-name",), ("--duration", "1h")]
)
@pytest.mark.parametrize("cache", [(), ("--cache",)])
def test_options_without_effect(
    authd_token: Callable[..., Result], keys: dict[str, str], option: tuple[str, ...], cache: tuple[str, ...]
) -> None:
    """A role's option without a role gives a warning at every call."""
    for _ in range(2):
        result = authd_token("-i", "prod", *option, *cache)
        assert result.status == 0
        assert result.err.startswith(f"authd-token: warning: {option[0]} without effect")
        assert "--role" in result.err


def test_outdated_version(authd_token: Callable[..., Result], keys: dict[str, str]) -> None:
    """A request of v1alpha1 gets a credential of that version, and a warning with the next step."""
    version = "client.authentication.k8s.io/v1alpha1"
    info = json.dumps({"kind": "ExecCredential", "apiVersion": version, "spec": {}}, separators=(",", ":"))
    result = authd_token("-i", "prod", KUBERNETES_EXEC_INFO=info)
    assert json.loads(result.out)["apiVersion"] == version
    assert "v1alpha1" in result.err
    assert "write v1beta1" in result.err


def test_empty_profile(authd_token: Callable[..., Result], keys: dict[str, str]) -> None:
    """An empty AWS_PROFILE counts as unset."""
    result = authd_token("-i", "prod", AWS_PROFILE="")
    assert (result.status, result.err, result.key_id) == (0, "", KEY_ID)


@pytest.mark.parametrize(
    "arguments",
    [
        ("token", "-i", "c1", "-v", "debug"),
        ("-i", "c1", "--log-verbosity=2"),
        ("--region", "eu-west-1", "eks", "get-token", "--cluster-name", "c1", "--output", "json"),
        ("eks", "get-token", "--cluster-id", "c1"),
    ],
)
def test_arguments_of_other_programs(
    authd_token: Callable[..., Result], keys: dict[str, str], arguments: tuple[str, ...]
) -> None:
    """Arguments of aws-iam-authenticator and of the AWS CLI are accepted."""
    result = authd_token(*arguments)
    assert (result.status, result.err) == (0, "")
    assert result.region == "eu-west-1"


def test_ignored_words(authd_token: Callable[..., Result], keys: dict[str, str]) -> None:
    """Words that aws-iam-authenticator ignores cause a warning each. Without `token` they are an error."""
    result = authd_token("token", "-i", "c1", "--token-only", "true", "more")
    assert result.status == 0
    assert result.out.startswith("k8s-aws-v1.")
    assert [line.partition("the argument ")[2].partition(" has no effect")[0] for line in result.err.splitlines()] == [
        "'true'",
        "'more'",
    ]
    assert authd_token("-i", "c1", "more").status == 2


def test_the_role_of_the_aws_cli(authd_token: Callable[..., Result], keys: dict[str, str], sts: object) -> None:
    """The option --role-arn assumes the role."""
    assert authd_token("eks", "get-token", "--cluster-name", "c1", "--role-arn", ROLE).status == 0
    assert [call["RoleArn"] for call in sts.calls("AssumeRole")] == [ROLE]


def test_words(authd_token: Callable[..., Result]) -> None:
    """The words `version` and `help` are the same as the options, and `completion` prints a script for each shell."""
    assert authd_token("version").out == authd_token("--version").out
    assert authd_token("help").out == authd_token("--help").out
    for shell in ("bash", "zsh", "fish"):
        assert "cluster-id" in authd_token("completion", shell).out
    _assert_message(authd_token("completion", "csh"), "bash, zsh or fish")
