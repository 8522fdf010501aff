from __future__ import annotations

import argparse
import io
import json
import os
import sys
from datetime import UTC, datetime, timedelta

import pytest

from authd.cli import check
from authd.cli import main as cli
from authd.core.errors import ConfigError, Problem
from authd.state.certificate_store import StateFiles
from authd.state.kubeconfig import webhook_kubeconfig
from authd.state.x509 import new_ca
from tests.cli.shapes import parsed

GOOD = """\
clusterID: c
server:
  mapRoles:
  - {roleARN: 'arn:aws:iam::111122223333:role/A', username: a}
  - {roleARN: 'arn:aws:iam::111122223333:role/B-*', username: b}
  - {sso: {permissionSetName: S, accountID: '111122223333'}, username: s}
  - {roleARN: 'arn:aws:iam::111122223333:role/C', username: c}
  mapUsers:
  - {userARN: 'arn:aws:iam::111122223333:user/U', username: u}
  mapAccounts: ['111122223333', '444455556666']
  rolePatterns: true
"""
WARNED = GOOD + "  stateDir: state\n"
BROKEN = WARNED.replace("username: b", "username: {{SessionName}}").replace("mapAccounts", "mapAccount")


@pytest.fixture
def run(tmp_path, capsys):
    """Run `authd check` on a text, and return the exit status and the output."""
    parser = argparse.ArgumentParser("authd")
    check.add_parser(parser.add_subparsers(required=True))
    file = tmp_path / "f.yaml"

    def run_on(text, *options):
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        args = parser.parse_args(["check", str(file), *options])
        status = args.run(args)
        captured = capsys.readouterr()
        assert captured.err == ""
        return status, captured.out.replace(str(tmp_path) + os.sep, "")

    return run_on


def test_a_good_file(run):
    """A file without faults gets a summary, and the exit status is 0, also with --strict."""
    says = "f.yaml: usable: 4 role rules, 1 user rule, 2 accounts; 0 warnings\n"
    assert run(GOOD) == run(GOOD, "--strict") == (0, says)


def test_a_file_with_warnings(run):
    """A warning is printed with its line and a caret. With --strict the exit status is 1."""
    status, out = run(WARNED)
    assert status == 0
    assert out == (
        "f.yaml:12:13: warning: server.stateDir is relative to the daemon's directory: write an absolute path\n"
        "    12 |   stateDir: state\n"
        "       |             ^\n"
        "f.yaml: usable: 4 role rules, 1 user rule, 2 accounts; 1 warning\n"
    )
    assert run(WARNED, "--strict") == (1, out)


def test_a_file_with_errors(run):
    """All errors are printed before all warnings, and the exit status is 2."""
    status, out = run(BROKEN)
    assert status == 2
    assert [line for line in out.splitlines() if line.startswith("f.yaml")] == [
        'f.yaml:5:63: error: quote it: "{{SessionName}}" (YAML takes braces for a mapping)',
        "f.yaml:10:3: error: unknown setting server.mapAccount: did you mean mapAccounts?",
        "f.yaml:12:13: warning: server.stateDir is relative to the daemon's directory: write an absolute path",
        "f.yaml: not usable: 2 errors, 1 warning",
    ]
    marked, caret = out.splitlines()[1:3]
    assert marked[caret.index("^") :].startswith("{{SessionName}}")


def test_an_error_in_a_last_line_without_a_newline(run):
    """The last line is printed even if no newline follows."""
    _, out = run("clusterID: c\nserver: []")
    assert out.splitlines()[1:3] == ["     2 | server: []", "       |         ^"]


def test_output_for_programs(run):
    """JSON has the file's name, whether it is usable, and each problem with line and column."""
    status, out = run(BROKEN, "--output", "json")
    report = parsed("check", out)
    assert status == 2
    assert set(report) == {"file", "usable", "errors", "warnings"}
    assert report["usable"] is False
    assert report["errors"][1] == {
        "line": 10,
        "column": 3,
        "message": "unknown setting server.mapAccount: did you mean mapAccounts?",
    }
    assert [warning["line"] for warning in report["warnings"]] == [12]
    status, out = run(GOOD, "-o", "json")
    assert status == 0
    assert json.loads(out) == {"file": json.loads(out)["file"], "usable": True, "errors": [], "warnings": []}


@pytest.mark.parametrize(
    ("host", "days", "own", "says"),
    [
        ("localhost", 0, False, None),
        ("other.example", 0, False, "not for the name localhost, but for other.example"),
        ("*.example", 0, False, "not for the name localhost, but for *.example"),
        ("localhost", -100, False, "expired at"),
        ("localhost", 100, False, "not valid before"),
        ("other.example", 0, True, None),
        ("localhost", 100, True, "not valid before"),
        (None, 0, False, "is not a certificate"),
        (None, 0, True, "is not a certificate"),
    ],
)
def test_a_certificate_that_would_be_refused(run, tmp_path, host, days, own, says):
    """A certificate that kube-apiserver would refuse is a warning, unless the daemon replaces it."""
    now = datetime.now(UTC) + timedelta(days=days)
    files = StateFiles(folder=tmp_path / "state")
    files.ensure_pair([host or "localhost"], now)
    if not own:
        files.authority_key.unlink()
    if host is None:
        files.certificate.write_text("nonsense")
    text = GOOD + f"  stateDir: {files.folder}\n"
    status, out = run(text, "--strict")
    assert status == (1 if says else 0)
    assert "f.yaml: warning: state/cert.pem" in out if says else "warning:" not in out
    assert (says or "") in out


def test_without_the_daemons_packages(run, monkeypatch):
    """In the base installation, without the daemon's packages, the file is checked."""
    monkeypatch.setitem(sys.modules, "authd.cli.shared.certificate_check", None)
    assert run(GOOD)[0] == 0


def test_a_file_that_cannot_be_read(run, capsys, tmp_path):
    """A missing file or a directory is an error without a traceback."""
    for path, reason in ((tmp_path / "missing", "No such file or directory"), (tmp_path, "Is a directory")):
        assert check.run(argparse.Namespace(files=[str(path)], output="text", strict=False)) == 2
        assert (
            capsys.readouterr().out
            == f"{path}: error: can't be read: {reason}\n{path}: not usable: 1 error, 0 warnings\n"
        )


def test_a_file_that_is_too_large(run):
    """A file over the limit is an error without a source line."""
    status, out = run(b"#" * (check.MAX_BYTES + 5))
    assert status == 2
    assert out.splitlines()[0].startswith("f.yaml: error: larger than 8 MiB")


def test_missing_partition_data(run, monkeypatch):
    """If the data of AWS partitions can't be read, that is the error."""

    def fail():
        raise ConfigError((Problem(file="botocore", line=0, column=0, message="is not installed"),))

    monkeypatch.setattr(check, "load_partitions", fail)
    assert run(GOOD) == (2, "botocore: error: is not installed\nf.yaml: not usable: 1 error, 0 warnings\n")


def test_control_characters_are_escaped(run):
    """Control and bidi characters of the file are escaped, and the caret is below its column."""
    _, out = run("clusterID: c # \x1b[2J\u202e\n")
    assert out.splitlines()[1:3] == ["     1 | clusterID: c # \\x1b[2J\\u202e", "       |                ^"]
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_invalid_utf_8(run):
    """Invalid bytes of a line are replaced, with the caret below the first one."""
    _, out = run(b"clusterID: \xff\n")
    assert out.splitlines()[1:3] == ["     1 | clusterID: \ufffd", "       |            ^"]


def test_the_caret_below_wide_letters(run):
    """The caret's column considers letters of double and of no width."""
    before = 'server: {audiences: ["集e\u0301", '
    _, out = run(f"clusterID: c\n{before}[]]}}\n")
    assert out.splitlines()[2] == "       | " + " " * len(before) + "^"  # one wide letter, one of no width


def test_tabs_keep_the_caret_in_place(run):
    """A tab is shown as one space."""
    _, out = run("clusterID: c\t# x\nserver:\n\tport: 1\n")
    assert out.splitlines()[1].startswith("     3 |  port: 1")


def test_long_lines_are_cut(run):
    """Of a long line, only the part around the problem is printed."""
    _, out = run(f"clusterID: c # {'x' * 500}\nserver: {{audiences: [{'a, ' * 100}{{}}, {'b, ' * 100}]}}\n")
    marked, caret = out.splitlines()[1:3]
    assert len(marked) < 120
    assert marked[caret.index("^")] == "{"
    assert marked.startswith("     2 | …")
    assert marked.endswith("…")


def test_more_problems_than_are_reported(run):
    """If a file has more problems than the limit, the summary says `more than`."""
    _, out = run("".join(f"nonsense{number}: 1\n" for number in range(200)))
    assert out.splitlines()[-2:] == [
        "f.yaml: error: and 101 more errors",
        "f.yaml: not usable: more than 100 errors, 0 warnings",
    ]


def test_an_encoding_with_few_characters(run, monkeypatch):
    """Characters that the terminal's encoding lacks are escaped."""
    written = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", written)
    run("clusterID: é\n")
    assert b"clusterID: \\xe9\n" in written.buffer.getvalue()


def test_help(capsys):
    """The help has an example and the exit statuses."""
    with pytest.raises(SystemExit) as stopped:
        cli.main(["check", "--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert "authd check /etc/authd/config.yaml" in out
    assert "exit status" in out


MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: mapping}
data:
  config.yaml: |
    clusterID: c
    server:
      mapAccounts: ['111122223333']
      stateDir: state
"""


def test_settings_in_a_manifest(run):
    """Settings in a ConfigMap's manifest are checked with the manifest's line numbers, and a note names their key."""
    status, out = run(MANIFEST)
    assert status == 0
    note, warning, line, caret, summary = out.splitlines()
    assert note.startswith(
        "f.yaml: this is a manifest of the ConfigMap mapping: the settings are under data / config.yaml"
    )
    assert warning.startswith("f.yaml:9:17: warning: server.stateDir is relative")
    assert line == "     9 |       stateDir: state"
    assert line[caret.index("^") :] == "state"
    assert summary == "f.yaml: usable: 0 role rules, 0 user rules, 1 account; 1 warning"
    assert "note" in parsed("check", run(MANIFEST, "-o", "json")[1])


def test_broken_settings_in_a_manifest(run):
    """Errors have their line in the manifest, or in the text if the settings are a quoted string."""
    status, out = run(MANIFEST.replace("clusterID: c", "clusterId2: c"))
    assert status == 2
    assert "f.yaml:6:5: error: unknown setting clusterId2: did you mean clusterID?" in out
    status, out = run('kind: ConfigMap\napiVersion: v1\ndata: {config.yaml: "clusterID: c\\nserver: []"}')
    assert status == 2
    assert "f.yaml, data / config.yaml:2:9: error: server must be a mapping" in out


def test_aws_auth(run):
    """The ConfigMap aws-auth is recognised, and its rules are checked with the manifest's line numbers."""
    status, out = run(
        "kind: ConfigMap\nmetadata: {name: aws-auth}\ndata:\n  mapRoles: |\n    - rolearn: arn:aws:iam::1:role/A\n"
        "  mapUsers: |\n    - {userarn: 'arn:aws:iam::111122223333:user/A'}\n  mapAccounts: |\n    - '1'\n"
    )
    assert status == 2
    assert "f.yaml:1:1: error: this is the ConfigMap aws-auth of EKS" in out
    assert "f.yaml:5:16: error: mapRoles.roleARN has the account 1 with 1 digits" in out
    assert "f.yaml:7:7: warning: the rule has no username" in out
    assert "f.yaml:9:7: error: mapAccounts must be an AWS account's number" in out
    assert run("kind: ConfigMap\nmetadata: {name: aws-auth}\ndata: {mapRoles: '['}")[0] == 2


@pytest.mark.parametrize(("days", "says"), [(-70, "ends in 20 days"), (-30, None)])
def test_a_certificate_that_ends_soon(run, tmp_path, days, says):
    """A certificate that ends within a month is a warning, unless the daemon renews it."""
    files = StateFiles(folder=tmp_path / "state")
    files.ensure_pair(["localhost"], datetime.now(UTC) + timedelta(days=days))
    assert run(GOOD + f"  stateDir: {files.folder}\n", "--strict")[0] == 0
    files.authority_key.unlink()
    status, out = run(GOOD + f"  stateDir: {files.folder}\n", "--strict")
    assert (status, says is not None and says in out) == ((1, True) if says else (0, False))


def test_a_kubeconfig_with_another_ca_is_a_warning(run, tmp_path):
    """If the webhook kubeconfig trusts another CA than the certificate's, it is a warning, because nobody can log in."""
    files = StateFiles(folder=tmp_path / "state")
    files.ensure_pair(["localhost"], datetime.now(UTC))
    kubeconfig = tmp_path / "kubeconfig.yaml"
    text = GOOD + f"  stateDir: {files.folder}\n  generateKubeconfig: {kubeconfig}\n"
    for authority, status in ((files.trusted_pem(), 0), (new_ca("authd", datetime.now(UTC)).certificate_pem, 1)):
        kubeconfig.write_bytes(webhook_kubeconfig(host="localhost", port=21362, authority_pem=authority))
        ended, out = run(text, "--strict")
        assert ended == status
        assert ("trusts another CA" in out) == bool(status)


def test_several_files(tmp_path, capsys):
    """Several files are checked in one run, and the worst result is the exit status."""
    good, broken = tmp_path / "good.yaml", tmp_path / "broken.yaml"
    good.write_text("clusterID: c\nserver: {mapAccounts: ['111122223333']}\n")
    broken.write_text("clusterID: c\nserver: {mapRole: []}\n")
    assert check.run(argparse.Namespace(files=[str(broken), str(good)], output="text", strict=False)) == 2
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{good}: usable")]
    assert check.run(argparse.Namespace(files=[str(good), str(broken)], output="json", strict=False)) == 2
    assert [report["usable"] for report in parsed("check FILE FILE", capsys.readouterr().out)] == [True, False]


def test_ends_of_rules(run):
    """A rule that has ended is a warning at its place. With --strict the exit status is 1."""
    text = GOOD.replace("username: a}", "username: a, validUntil: 2020-01-01}")
    status, out = run(text, "--strict")
    assert status == 1
    assert "f.yaml:4:5: warning: the rule ended at 2020-01-01T00:00:00Z: set another validUntil, or remove" in out
    manifest = "kind: ConfigMap\nmetadata: {name: aws-auth}\ndata:\n  mapUsers: |\n    - userarn: "
    manifest += "arn:aws:iam::111122223333:user/U\n      username: u\n      validFrom: 9999-01-01\n"
    assert "f.yaml:5:7: warning: the rule begins at 9999-01-01T00:00:00Z" in run(manifest)[1]
