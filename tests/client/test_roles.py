from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable

import pytest

KEY_ID, SECRET = "AKIAEXAMPLEEXAMPLE00", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYSECRETKEY"
ROLE = "arn:aws:iam::123456789012:role/KubernetesAdmin"


def test_the_role_is_assumed_as_asked(authd_token: Callable, keys: dict[str, str], sts: object) -> None:
    """Role, session name, external id and duration reach STS, and the token is signed by the role."""
    answer = authd_token("-i", "prod", "-r", ROLE, "-s", "alice@x", "-e", "ext:1", "--duration", "1h30m")
    assert answer.key_id == "ASIAROLE0001", answer.err
    (call,) = sts.calls("AssumeRole")
    assert call == {
        "Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": ROLE, "RoleSessionName": "alice@x",
        "ExternalId": "ext:1", "DurationSeconds": "5400",
    }  # fmt: skip
    assert answer.host == "sts.eu-west-1.amazonaws.com"


def test_the_role_may_come_from_the_environment_and_the_cluster(
    authd_token: Callable, keys: dict[str, str], sts: object
) -> None:
    """DEFAULT_ROLE is assumed; the cluster's roleARN goes before it, --role before both, and an empty one means none."""
    info = json.dumps({
        "kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1",
        "spec": {"interactive": False, "cluster": {"server": "https://x", "config": {"clusterID": "c", "roleARN": f"{ROLE}2"}}},
    })  # fmt: skip
    assert authd_token("-i", "prod", DEFAULT_ROLE=f"{ROLE}1").status == 0
    assert authd_token(DEFAULT_ROLE=f"{ROLE}1", KUBERNETES_EXEC_INFO=info).status == 0
    assert authd_token("-r", f"{ROLE}3", DEFAULT_ROLE=f"{ROLE}1", KUBERNETES_EXEC_INFO=info).status == 0
    assert authd_token("-r", "", DEFAULT_ROLE=f"{ROLE}1", KUBERNETES_EXEC_INFO=info).key_id == KEY_ID
    assert [call["RoleArn"] for call in sts.calls("AssumeRole")] == [f"{ROLE}1", f"{ROLE}2", f"{ROLE}3"]


def test_the_session_name_is_carried_over(authd_token: Callable, keys: dict[str, str], sts: object) -> None:
    """--forward-session-name takes the session name of the present identity, if it has one."""
    sts.user_id = "AROAEXAMPLE:alice"
    assert authd_token("-i", "prod", "-r", ROLE, "--forward-session-name").status == 0
    sts.user_id = "AIDAEXAMPLE"
    assert authd_token("-i", "prod", "-r", ROLE, "--forward-session-name").status == 0
    names = [call["RoleSessionName"] for call in sts.calls("AssumeRole")]
    assert names[0] == "alice"
    assert names[1].startswith("authd-token-")


def test_the_token_ends_before_the_roles_credentials(authd_token: Callable, keys: dict[str, str], sts: object) -> None:
    """The credential's expirationTimestamp is the earlier of 14 minutes and the credentials' end less a minute."""
    for minutes, expected in ((60, 14), (10, 9)):
        sts.minutes = minutes
        before = dt.datetime.now(dt.UTC)
        status = json.loads(authd_token("-i", "prod", "-r", ROLE).out)["status"]
        delta = dt.datetime.fromisoformat(status["expirationTimestamp"]) - before
        assert dt.timedelta(minutes=expected, seconds=-3) < delta < dt.timedelta(minutes=expected, seconds=20)


def test_a_settings_file_names_cluster_and_role(
    authd_token: Callable, keys: dict[str, str], sts: object, tmp_path: object
) -> None:
    """--config gives clusterID and defaultRole whatever their case; templates elsewhere in it don't matter."""
    file = tmp_path / "a.yaml"
    file.write_text(
        f"clusterid: prod\nDefaultRole: {ROLE}\nserver:\n  mapRoles:\n  - roleARN: x\n    username: {{{{SessionName}}}}\n"
    )
    answer = authd_token("-c", str(file))
    assert answer.key_id == "ASIAROLE0001", answer.err
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
def test_a_broken_settings_file_is_explained(
    authd_token: Callable, keys: dict[str, str], tmp_path: object, content: str | None, word: str
) -> None:
    """A settings file that can't be understood is an error that says where."""
    file = tmp_path / "a.yaml"
    if content is not None:
        file.write_text(content)
    assert word in authd_token("-c", str(file)).sentence()


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
def test_bad_values_are_named(
    authd_token: Callable, keys: dict[str, str], arguments: tuple[str, ...], word: str
) -> None:
    """A value that can't be right is refused before anyone is asked, in one sentence that names it."""
    answer = authd_token(*arguments)
    assert word in answer.sentence()
    assert answer.status == 2
