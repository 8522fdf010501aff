"""Every source of credentials that botocore knows, each from a fake on loopback."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.rig.samples import KEY_ID, ROLE, SECRET

pytestmark = pytest.mark.usefixtures("home")


def test_environment(authd_token: Callable, keys: dict[str, str]) -> None:
    """Keys in the environment sign the token."""
    result = authd_token("-i", "prod")
    assert (result.status, result.err, result.key_id, result.host) == (0, "", KEY_ID, "sts.eu-west-1.amazonaws.com")
    assert json.loads(result.out)["apiVersion"] == "client.authentication.k8s.io/v1beta1"


def test_precedence_of_profile_and_environment(
    authd_token: Callable, keys: dict[str, str], write_aws: Callable
) -> None:
    """--profile overrides keys in the environment, and AWS_PROFILE does not, as in the AWS CLI."""
    write_aws("credentials", f"[p]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = {SECRET}\n")
    assert authd_token("-i", "prod", "--profile", "p").key_id == "AKIAPROFILE"
    assert authd_token("-i", "prod", AWS_PROFILE="p").key_id == KEY_ID


def test_source_profile_chain(authd_token: Callable, write_aws: Callable, sts: object) -> None:
    """The role of the source profile is assumed first, and then the profile's own."""
    write_aws("credentials", f"[base]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n")
    write_aws(
        "config",
        f"[profile middle]\nrole_arn = {ROLE}1\nsource_profile = base\n"
        f"[profile top]\nrole_arn = {ROLE}2\nsource_profile = middle\nregion = eu-west-1\n",
    )
    result = authd_token("-i", "prod", "--profile", "top")
    assert result.status == 0, result.err
    assert [call["RoleArn"] for call in sts.calls("AssumeRole")] == [f"{ROLE}1", f"{ROLE}2"]
    assert result.key_id == "ASIAROLE0002"
    assert result.query["X-Amz-Security-Token"] == "session/token+2=="
    assert result.host == "sts.eu-west-1.amazonaws.com"


def test_credential_source_environment(
    authd_token: Callable, keys: dict[str, str], write_aws: Callable, sts: object
) -> None:
    """With `credential_source = Environment`, a profile's role is assumed with the keys in the environment."""
    write_aws("config", f"[profile p]\nrole_arn = {ROLE}\ncredential_source = Environment\n")
    result = authd_token("-i", "prod", "--profile", "p")
    assert result.status == 0, result.err
    assert KEY_ID in sts.endpoint.requests[0][2]["authorization"]
    assert result.key_id == "ASIAROLE0001"


def test_credential_process(authd_token: Callable, write_aws: Callable, tmp_path: Path) -> None:
    """The credentials of a credential_process sign the token."""
    document = {"Version": 1, "AccessKeyId": "ASIAPROCESS", "SecretAccessKey": SECRET, "SessionToken": "t",
                "Expiration": "2999-01-01T00:00:00Z"}  # fmt: skip
    program = tmp_path / "process.py"
    program.write_text(f"print({json.dumps(json.dumps(document))})")
    write_aws("config", f"[default]\ncredential_process = {sys.executable} {program}\nregion = eu-west-1\n")
    assert authd_token("-i", "prod").key_id == "ASIAPROCESS"


def test_web_identity(authd_token: Callable, sts: object, tmp_path: Path) -> None:
    """A web identity token, as in an EKS pod, is exchanged for the role's credentials."""
    token = tmp_path / "token"
    token.write_text("a.web.token")
    result = authd_token(
        "-i", "prod", AWS_ROLE_ARN=ROLE, AWS_WEB_IDENTITY_TOKEN_FILE=str(token), AWS_REGION="eu-west-1"
    )
    assert result.status == 0, result.err
    assert sts.calls("AssumeRoleWithWebIdentity")[0]["WebIdentityToken"] == "a.web.token"
    assert result.key_id == "ASIATITY0001"


def test_web_identity_of_environment_and_profile(
    authd_token: Callable, sts: object, write_aws: Callable, tmp_path: Path
) -> None:
    """The token file of the environment goes before that of the profile, which may be missing. --profile reverses it."""
    token = tmp_path / "token"
    token.write_text("a.web.token")
    write_aws("config", f"[profile p]\nrole_arn = {ROLE}\nweb_identity_token_file = /missing\n")
    variables = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": ROLE}
    result = authd_token("-i", "prod", **variables, AWS_PROFILE="p")
    assert result.key_id == "ASIATITY0001", result.err
    assert "/missing" in authd_token("-i", "prod", "--profile", "p", **variables).message()


def _instance_keys(name: str) -> str:
    return json.dumps(
        {
            "Code": "Success",
            "AccessKeyId": name,
            "SecretAccessKey": SECRET,
            "Token": "t",
            "Expiration": "2999-01-01T00:00:00Z",
        }
    )


def test_container(authd_token: Callable, serve: Callable) -> None:
    """The container endpoint of ECS and of EKS pod identities is called with its authorization token."""
    endpoint = serve(lambda *_: (200, {}, _instance_keys("ASIACONTAINER")))
    result = authd_token(
        "-i", "prod", AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{endpoint.url}/creds",
        AWS_CONTAINER_AUTHORIZATION_TOKEN="Bearer x", AWS_REGION="eu-west-1",
    )  # fmt: skip
    assert result.key_id == "ASIACONTAINER", result.err
    assert endpoint.requests[0][2]["authorization"] == "Bearer x"


def _imds(method: str, path: str, headers: dict[str, str], body: str) -> tuple[int, dict[str, str], str]:
    if method == "PUT":
        return 200, {}, "imds-token"
    if headers.get("x-aws-ec2-metadata-token") != "imds-token":
        return 401, {}, ""
    return 200, {}, "node-role" if path.endswith("security-credentials/") else _instance_keys("ASIAINSTANCE")


def test_instance_metadata(authd_token: Callable, serve: Callable, environ: dict[str, str]) -> None:
    """Instance credentials come last, by IMDSv2. The metadata is never used for the region."""
    endpoint = serve(_imds)
    environ.update(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint.url)
    result = authd_token("-i", "prod")
    assert result.key_id == "ASIAINSTANCE", result.err
    assert (result.host, result.region) == ("sts.amazonaws.com", "us-east-1")
    assert all("placement" not in path for _, path, _, _ in endpoint.requests)
    requests = len(endpoint.requests)
    result = authd_token("-i", "prod", AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET)
    assert result.key_id == KEY_ID
    assert len(endpoint.requests) == requests


@pytest.mark.parametrize("home", ["/dev/null", ""])
def test_instance_metadata_without_a_home(
    authd_token: Callable, serve: Callable, environ: dict[str, str], home: str
) -> None:
    """Instance credentials need no home folder, which a service account may lack."""
    endpoint = serve(_imds)
    environ.update(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint.url, HOME=home)
    result = authd_token("-i", "prod")
    assert result.key_id == "ASIAINSTANCE", result.err


def test_automatic_defaults(authd_token: Callable, serve: Callable, keys: dict[str, str], sts: object) -> None:
    """AWS_DEFAULTS_MODE=auto causes no request to the instance metadata."""
    endpoint = serve(_imds)
    keys.update(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint.url)
    assert authd_token("-i", "prod", "-r", ROLE, AWS_DEFAULTS_MODE="auto").status == 0
    assert endpoint.requests == []


def test_instance_metadata_as_credential_source(
    authd_token: Callable, serve: Callable, environ: dict[str, str], write_aws: Callable, sts: object
) -> None:
    """With `credential_source = Ec2InstanceMetadata`, a profile's role is assumed with the instance's credentials."""
    endpoint = serve(_imds)
    environ.update(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint.url)
    write_aws("config", f"[profile p]\nrole_arn = {ROLE}\ncredential_source = Ec2InstanceMetadata\n")
    result = authd_token("-i", "prod", "--profile", "p")
    assert result.key_id == "ASIAROLE0001", result.err
    assert "ASIAINSTANCE" in sts.endpoint.requests[0][2]["authorization"]


@pytest.fixture
def instance_keys_until(serve: Callable, environ: dict[str, str]) -> Callable[[str], None]:
    """Serve instance credentials that expire at a time, written as AWS writes it."""

    def start(end: str) -> None:
        keys = _instance_keys("ASIAINSTANCE").replace("2999-01-01T00:00:00Z", end)

        def respond(method: str, path: str, headers: dict[str, str], body: str) -> tuple[int, dict[str, str], str]:
            return 200, {}, keys if path.endswith("node-role") else _imds(method, path, headers, body)[2]

        endpoint = serve(respond)
        environ.update(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint.url)

    return start


def test_expiry_of_instance_credentials(authd_token: Callable, instance_keys_until: Callable[[str], None]) -> None:
    """If the instance's credentials expire in five minutes, the token expires a minute earlier."""
    import datetime as dt

    end = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(minutes=5)
    instance_keys_until(end.strftime("%Y-%m-%dT%H:%M:%SZ"))
    expiration = json.loads(authd_token("-i", "prod").out)["status"]["expirationTimestamp"]
    assert expiration == (end - dt.timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_expired_instance_credentials(authd_token: Callable, instance_keys_until: Callable[[str], None]) -> None:
    """Expired credentials of the instance sign a token, since AWS accepts them if its service can't renew them."""
    instance_keys_until("2020-01-01T00:00:00Z")
    result = authd_token("-i", "prod")
    assert result.key_id == "ASIAINSTANCE", result.err


def _sso(write_aws: Callable, home: Path, *, session: bool, expires: str = "2999-01-01T00:00:00Z") -> None:
    start = "https://example.awsapps.example/start"
    profile = "sso_account_id = 123456789012\nsso_role_name = Admin\nregion = eu-west-1\n"
    login = f"sso_start_url = {start}\nsso_region = eu-west-1\n"
    if session:
        write_aws("config", f"[default]\nsso_session = corp\n{profile}[sso-session corp]\n{login}")
    else:
        write_aws("config", f"[default]\n{profile}{login}")
    name = hashlib.sha1(b"corp" if session else start.encode()).hexdigest()
    token = {"startUrl": start, "region": "eu-west-1", "accessToken": "sso-access-token", "expiresAt": expires}
    write_aws(f"sso/cache/{name}.json", json.dumps(token))


@pytest.mark.parametrize("session", [True, False])
def test_sso(authd_token: Callable, serve: Callable, write_aws: Callable, home: Path, session: bool) -> None:
    """The access token of `aws sso login` gives the role's credentials, in both forms of profile."""
    keys = {"accessKeyId": "ASIASSO", "secretAccessKey": SECRET, "sessionToken": "t", "expiration": 32503680000000}
    endpoint = serve(lambda *_: (200, {"Content-Type": "application/json"}, json.dumps({"roleCredentials": keys})))
    _sso(write_aws, home, session=session)
    result = authd_token("-i", "prod", AWS_ENDPOINT_URL_SSO=endpoint.url)
    assert result.key_id == "ASIASSO", result.err
    assert endpoint.requests[0][2]["x-amz-sso_bearer_token"] == "sso-access-token"


@pytest.mark.parametrize("session", [True, False])
def test_sso_expired(authd_token: Callable, write_aws: Callable, home: Path, session: bool) -> None:
    """The error for an expired SSO session names the command that renews it."""
    _sso(write_aws, home, session=session, expires="2020-01-01T00:00:00Z")
    assert "`aws sso login`" in authd_token("-i", "prod").message()


def test_sso_missing(authd_token: Callable, write_aws: Callable, home: Path) -> None:
    """The error for an SSO session that was never started names the command that starts it."""
    _sso(write_aws, home, session=True)
    for file in (home / ".aws/sso/cache").iterdir():
        file.unlink()
    assert "`aws sso login --profile default`" in authd_token("-i", "prod", "--profile", "default").message()


def test_sso_and_a_role(authd_token: Callable, serve: Callable, write_aws: Callable, home: Path, sts: object) -> None:
    """A cached role is assumed once for each login, although Identity Center gives new keys at every call."""
    count = iter(range(100))

    def portal(*_: object) -> tuple[int, dict[str, str], str]:
        keys = {"accessKeyId": f"ASIASSO{next(count)}", "secretAccessKey": SECRET, "sessionToken": "t"}
        document = {"roleCredentials": {**keys, "expiration": 32503680000000}}
        return 200, {"Content-Type": "application/json"}, json.dumps(document)

    url = serve(portal).url
    _sso(write_aws, home, session=True)
    for cluster in ("one", "two"):
        assert authd_token("-i", cluster, "-r", ROLE, "--cache", AWS_ENDPOINT_URL_SSO=url).status == 0
    assert len(sts.calls("AssumeRole")) == 1
    _sso(write_aws, home, session=True, expires="2999-01-01T00:00:01Z")
    assert authd_token("-i", "one", "-r", ROLE, "--cache", AWS_ENDPOINT_URL_SSO=url).status == 0
    assert len(sts.calls("AssumeRole")) == 2
