from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable

import pytest

from tests.client.rig.samples import KEY_ID, ROLE


def test_role_options(authd_token: Callable, keys: dict[str, str], sts: object) -> None:
    """The request to STS has role, session name, external ID and duration, and the role's credentials sign the token."""
    result = authd_token("-i", "prod", "-r", ROLE, "-s", "alice@x", "-e", "ext:1", "--duration", "1h30m")
    assert result.key_id == "ASIAROLE0001", result.err
    (call,) = sts.calls("AssumeRole")
    assert call == {
        "Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": ROLE, "RoleSessionName": "alice@x",
        "ExternalId": "ext:1", "DurationSeconds": "5400",
    }  # fmt: skip
    assert result.host == "sts.eu-west-1.amazonaws.com"


def test_precedence_of_roles(authd_token: Callable, keys: dict[str, str], sts: object) -> None:
    """--role overrides the cluster's roleARN, which overrides DEFAULT_ROLE. An empty --role means none."""
    info = json.dumps({
        "kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1",
        "spec": {"interactive": False, "cluster": {"server": "https://x", "config": {"clusterID": "c", "roleARN": f"{ROLE}2"}}},
    })  # fmt: skip
    assert authd_token("-i", "prod", DEFAULT_ROLE=f"{ROLE}1").status == 0
    assert authd_token(DEFAULT_ROLE=f"{ROLE}1", KUBERNETES_EXEC_INFO=info).status == 0
    assert authd_token("-r", f"{ROLE}3", DEFAULT_ROLE=f"{ROLE}1", KUBERNETES_EXEC_INFO=info).status == 0
    assert authd_token("-r", "", DEFAULT_ROLE=f"{ROLE}1", KUBERNETES_EXEC_INFO=info).key_id == KEY_ID
    assert [call["RoleArn"] for call in sts.calls("AssumeRole")] == [f"{ROLE}1", f"{ROLE}2", f"{ROLE}3"]


def test_forward_session_name(authd_token: Callable, keys: dict[str, str], sts: object) -> None:
    """--forward-session-name uses the session name of the current identity, if it has one."""
    sts.user_id = "AROAEXAMPLE:alice"
    assert authd_token("-i", "prod", "-r", ROLE, "--forward-session-name").status == 0
    sts.user_id = "AIDAEXAMPLE"
    assert authd_token("-i", "prod", "-r", ROLE, "--forward-session-name").status == 0
    names = [call["RoleSessionName"] for call in sts.calls("AssumeRole")]
    assert names[0] == "alice"
    assert names[1].startswith("authd-token-")


def test_expiry(authd_token: Callable, keys: dict[str, str], sts: object) -> None:
    """The expirationTimestamp is in 14 minutes, or a minute before the role's credentials expire if that is earlier."""
    for minutes, expected in ((60, 14), (10, 9)):
        sts.minutes = minutes
        before = dt.datetime.now(dt.UTC)
        status = json.loads(authd_token("-i", "prod", "-r", ROLE).out)["status"]
        delta = dt.datetime.fromisoformat(status["expirationTimestamp"]) - before
        assert dt.timedelta(minutes=expected, seconds=-3) < delta < dt.timedelta(minutes=expected, seconds=20)


def test_settings_file(authd_token: Callable, keys: dict[str, str], sts: object, tmp_path: object) -> None:
    """--config reads clusterID and defaultRole in any letter case, and ignores templates in other entries."""
    file = tmp_path / "a.yaml"
    file.write_text(
        f"clusterid: prod\nDefaultRole: {ROLE}\nserver:\n  mapRoles:\n  - roleARN: x\n    username: {{{{SessionName}}}}\n"
    )
    result = authd_token("-c", str(file))
    assert result.key_id == "ASIAROLE0001", result.err
    file.write_text("clusterID: 12345\n")
    assert authd_token("-c", str(file)).key_id == KEY_ID


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("clusterID: [", "YAML"),
        ("- x", "mapping"),
        ("clusterID: {a: b}", ":1: clusterID"),
        ("x: 1", "cluster id"),
        (None, "does not exist"),
    ],
)
def test_invalid_settings_file(
    authd_token: Callable, keys: dict[str, str], tmp_path: object, content: str | None, word: str
) -> None:
    """The error for an invalid settings file names the faulty place."""
    file = tmp_path / "a.yaml"
    if content is not None:
        file.write_text(content)
    assert word in authd_token("-c", str(file)).message()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "cluster id"),
        (("-i", ""), "cluster id"),
        (("-i", "a\nb"), "cluster id"),
        (("-i", "x" * 1025), "cluster id"),
        (("-i", "x", "-r", "arn:aws:iam::1:role/x"), "ARN of a role"),
        (("-i", "x", "-r", "arn:aws:iam::123456789012:user/x"), "ARN of a role"),
        (("-i", "x", "-r", ROLE, "-s", "a b"), "--session-name"),
        (("-i", "x", "-r", ROLE, "-e", "x"), "--external-id"),
        (("-i", "x", "-r", ROLE, "--duration", "5m"), "--duration"),
        (("-i", "x", "-r", ROLE, "--duration", "13h"), "--duration"),
        (("-i", "x", "-r", ROLE, "--duration", "1d"), "--duration"),
        (("-i", "x", "--region", "Europe"), "--region"),
        (("-i", "x", "--endpoint", "http://sts.amazonaws.com"), "--endpoint"),
        (("-i", "x", "--endpoint", "sts.amazonaws.com:443"), "--endpoint"),
        (("-i", "x", "--endpoint", "https://u@sts.amazonaws.com"), "--endpoint"),
        (("-i", "x", "--log-format", "xml"), "--log-format"),
        (("-i", "x", "--bogus"), "--bogus"),
    ],
)
def test_invalid_values(authd_token: Callable, keys: dict[str, str], arguments: tuple[str, ...], word: str) -> None:
    """An invalid value is reported by name before any call to AWS, with the status 2."""
    result = authd_token(*arguments)
    assert word in result.message()
    assert result.status == 2
