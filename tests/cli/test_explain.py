from __future__ import annotations

import pytest

from authd.cli.main import main
from tests.cli.shapes import parsed

SETTINGS = """\
clusterID: c
server:
  rolePatterns: true
  mapRoles:
  - roleARN: arn:aws:iam::111122223333:role/team/Admin
    username: "admin:{{SessionName}}"
    groups: [system:masters, "account:{{AccountID}}"]
  - roleARN: arn:aws:iam::111122223333:role/Tracked
    username: "tracked:{{AccessKeyID}}"
  - roleARN: arn:aws:iam::111122223333:role/dev-*
    username: dev
  - sso: {permissionSetName: Viewer, accountID: "111122223333"}
    username: "{{SessionNameRaw}}"
    groups: [viewers]
  mapUsers:
  - userARN: arn:aws:iam::111122223333:user/alice
    username: alice
  - userARN: arn:aws:iam::111122223333:user/eve
    username: "eks:eve"
  mapAccounts: ["444455556666"]
  reservedPrefixConfig:
  - backendMode: MountedFile
    usernamePrefixReserveList: ["eks:"]
"""
ACCOUNT = "arn:aws:iam::111122223333"
SESSION = "arn:aws:sts::111122223333:assumed-role"


@pytest.fixture
def explain(tmp_path, capsys):
    """Run `authd explain` on an ARN, and return the exit status, the JSON output and stderr."""
    file = tmp_path / "c.yaml"
    file.write_text(SETTINGS)

    def run(*arguments):
        status = main(["explain", "-c", str(file), "-o", "json", *arguments])
        captured = capsys.readouterr()
        return status, parsed("explain", captured.out.replace(f"{tmp_path}/", "")) if captured.out else {}, captured.err

    return run


@pytest.mark.parametrize(
    ("arguments", "username", "groups", "where"),
    [
        ([f"{ACCOUNT}:role/Admin", "--session", "a@b"], "admin:a-b", ["system:masters", "account:111122223333"], 5),
        ([f"{ACCOUNT}:role/team/Admin", "--session", "a"], "admin:a", ["system:masters", "account:111122223333"], 5),
        ([f"{SESSION}/Admin/s"], "admin:s", ["system:masters", "account:111122223333"], 5),
        ([f"{SESSION}/Admin/s", "--session", "t"], "admin:t", ["system:masters", "account:111122223333"], 5),
        (
            [f"{ACCOUNT}:role/Admin"],
            "admin:{{SessionName}}",
            ["system:masters", "account:111122223333"],
            5,
        ),
        ([f"{ACCOUNT}:role/Tracked"], "tracked:{{AccessKeyID}}", [], 8),
        ([f"{ACCOUNT}:role/dev-x"], "dev", [], 10),
        ([f"{SESSION}/AWSReservedSSO_Viewer_0123456789abcdef/a@b"], "a@b", ["viewers"], 12),
        ([f"{ACCOUNT}:user/alice"], "alice", [], 16),
        (["arn:aws:iam::444455556666:user/x/bob"], "arn:aws:iam::444455556666:user/x/bob", [], 20),
    ],
)
def test_a_match(explain, arguments, username, groups, where):
    """For an ARN with a mapping, user name, groups and the mapping's place are printed. The exit status is 0."""
    status, output, err = explain(*arguments)
    assert (status, err) == (0, "")
    assert (output["matches"], output["username"], output["groups"]) == (True, username, groups)
    assert output["rule"].startswith(f"c.yaml:{where}:")


@pytest.mark.parametrize(
    ("arn", "reason", "says"),
    [
        (f"{ACCOUNT}:role/Nobody", "identity_not_mapped", "no mapping matches: "),
        (
            f"{ACCOUNT}:role/Admim",
            "identity_not_mapped",
            "did you mean role/team/Admin, at c.yaml:5:5? It differs in one letter",
        ),
        ("arn:aws:iam::999999999999:role/Admin", "identity_not_mapped", "c.yaml:5:5 has the same name in another"),
        (f"{ACCOUNT}:user/eve", "username_reserved", "c.yaml:18:5 gives a user name with the reserved prefix 'eks:'"),
    ],
)
def test_no_match(explain, arn, reason, says):
    """For an ARN without a user name, the reason and the nearest mapping are printed. The exit status is 1."""
    status, output, err = explain(arn)
    assert (status, output["matches"], output["reason"], err) == (1, False, reason, "")
    assert says in output["message"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "the ARN is not an ARN, which begins with arn:"),
        (["arn:aws:s3:::bucket"], "the ARN is the ARN of the service s3"),
        ([f"{ACCOUNT}:role/Admin", "--session", "a/b"], "--session must be a session's name"),
        (
            [f"{ACCOUNT}:user/alice", "--session", "a"],
            "--session needs a role's ARN, but this is the ARN of a user",
        ),
        (
            ["arn:aws-cn:iam::111122223333:user/alice"],
            "the ARN is of the partition aws-cn, but server.partition is aws",
        ),
    ],
)
def test_an_unusable_arn(explain, arguments, says):
    """An ARN that no login can have is an error. The exit status is 2."""
    status, output, err = explain(*arguments)
    assert (status, output) == (2, {})
    assert err.startswith(f"authd: {says}")


def test_a_broken_file(tmp_path, capsys):
    """A broken settings file is an error with its lines. The exit status is 2."""
    file = tmp_path / "c.yaml"
    file.write_text("clusterID: c\nserver: {mapRole: []}\n")
    assert main(["explain", "-c", str(file), f"{ACCOUNT}:role/Admin"]) == 2
    assert capsys.readouterr().err.startswith(
        f"authd: {file}:2:10: unknown setting server.mapRole: did you mean mapRoles"
    )


def test_text_for_people(tmp_path, capsys):
    """The text has one line for each field."""
    file = tmp_path / "c.yaml"
    file.write_text(SETTINGS)
    assert main(["explain", "-c", str(file), f"{SESSION}/Admin/s"]) == 0
    assert capsys.readouterr().out == (
        "canonical_arn arn:aws:iam::111122223333:role/Admin\n"
        "username      admin:s\n"
        "groups        system:masters, account:111122223333\n"
        f"rule          {file}:5:5\n"
    )


TIMED = """\
clusterID: c
server:
  mapRoles:
  - {roleARN: arn:aws:iam::111122223333:role/Dev, username: dev, validFrom: 2030-01-01, validUntil: 2030-12-31T18:00:00Z}
"""


def test_a_rule_with_a_time(tmp_path, capsys):
    """The times of a rule are printed, and --at selects another time."""
    file = tmp_path / "c.yaml"
    file.write_text(TIMED)

    def explain(*arguments):
        status = main(["explain", "-c", str(file), "-o", "json", f"{ACCOUNT}:role/Dev", *arguments])
        return status, parsed("explain", capsys.readouterr().out)

    status, output = explain("--at", "2030-06-01")
    assert (status, output["username"]) == (0, "dev")
    assert (output["validFrom"], output["validUntil"]) == ("2030-01-01T00:00:00Z", "2030-12-31T18:00:00Z")
    status, output = explain("--at", "2030-12-31T18:00:00Z")
    assert (status, output["reason"]) == (1, "identity_not_mapped")
    assert output["message"].endswith("c.yaml:4:5 ended at 2030-12-31T18:00:00Z")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--at", "noon"], "the time must be a time in UTC"), (["--at", "2030-01-01", "--live"], "--at does not go with")],
)
def test_wrong_times(explain, capsys, arguments, message):
    """A wrong time is an error."""
    try:
        status = main(["explain", f"{ACCOUNT}:role/Dev", *arguments])
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert message in capsys.readouterr().err
