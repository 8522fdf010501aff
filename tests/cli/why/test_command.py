from __future__ import annotations

import gzip
import io
import json
import sys

import pytest

from authd.cli.main import main
from tests.cli.shapes import parsed

ROLE = "arn:aws:iam::111122223333:role/Dev"
DENIED = {
    "time": "2026-11-27T10:00:00.000+00:00",
    "level": "warn",
    "logger": "authd.decisions",
    "decision": "denied",
    "reason": "identity_not_mapped",
    "message": "no mapping matches: there are no mappings",
    "reference": "3f9a01c2",
    "token": "0123456789ab",
    "sts_host": "sts.us-east-1.amazonaws.com",
    "status": 200,
    "source": "sts",
    "sts_request_id": "f00-1",
    "arn": "arn:aws:sts::111122223333:assumed-role/Dev/alice",
    "canonical_arn": ROLE,
    "account": "111122223333",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "span_id": "00f067aa0ba902b7",
}
ALLOWED = {
    **DENIED, "decision": "allowed", "reason": "allowed", "message": "", "reference": "00000001", "username": "dev",
    "groups": ["devs"], "source": "cache",
}  # fmt: skip
MAPPED = f"clusterID: c\nserver: {{mapRoles: [{{roleARN: {ROLE}, username: dev, groups: [devs]}}]}}\n"


@pytest.fixture
def log(tmp_path):
    file = tmp_path / "log"
    file.write_text("".join(f"{json.dumps(record)}\n" for record in (DENIED, ALLOWED)))
    return str(file)


@pytest.fixture
def settings(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("clusterID: c\n")
    return file


def test_a_refused_login(log, settings, capsys):
    """A refusal is printed with identity, request ID, nearest rule, next step and missing mapping."""
    assert main(["why", "3f9a01c2", "--file", log, "-c", str(settings)]) == 0
    out = capsys.readouterr().out
    assert "decision      denied: identity_not_mapped, reference 3f9a01c2\n" in out
    assert "ARN           arn:aws:sts::111122223333:assumed-role/Dev/alice\n" in out
    assert "STS           sts.us-east-1.amazonaws.com, request ID f00-1\n" in out
    assert "trace         4bf92f3577b34da6a3ce929d0e0e4736, span 00f067aa0ba902b7\n" in out
    assert "settings now  no mapping matches: there are no mappings\n" in out
    assert f'  mapRoles:\n  - roleARN: {ROLE}\n    username: "Dev:{{{{SessionName}}}}"\n    groups: []' in out


def test_a_mapping_that_was_added_since(log, settings, capsys):
    """If the current file maps the identity, no mapping is proposed."""
    settings.write_text(MAPPED)
    assert main(["why", "3f9a01c2", "--file", log, "-c", str(settings)]) == 0
    out = capsys.readouterr().out
    assert f"settings now  {settings}:2:21 gives the user name dev and the groups devs\n" in out
    assert f"next step     Log in again: {settings}:2:21 maps the identity now." in out
    assert "mapRoles:" not in out


def test_a_line_of_kube_apiserver(log, capsys):
    """The reference may be part of the line that kube-apiserver logs."""
    line = "no mapping matches: no rule names this account [identity_not_mapped, reference 3F9A01C2]"
    assert main(["why", line, "--file", log]) == 0
    assert "reference 3f9a01c2" in capsys.readouterr().out


def test_json(log, settings, capsys):
    """JSON has the record's fields and those of the explanation."""
    assert main(["why", "3f9a01c2", "-f", log, "-c", str(settings), "-o", "json"]) == 0
    (decision,) = parsed("why", capsys.readouterr().out)["decisions"]
    assert decision.items() >= DENIED.items()
    assert decision["settings_now"]["matches"] is False
    assert decision["next_step"]
    assert "mapRoles" in decision["mapping_entry"]


def test_decisions_about_a_user(log, capsys):
    """`--user` lists all decisions about a user name or a session."""
    assert main(["why", "--user", "alice", "--since", "2026-11-27", "-f", log]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["TIME", "REASON", "REFERENCE", "USER", "NAME", "ARN"]
    assert [line.split()[1:3] for line in out[1:3]] == [["identity_not_mapped", "3f9a01c2"], ["allowed", "00000001"]]
    assert out[3] == "2 decisions"


def test_standard_input(log, capsys, monkeypatch):
    """`--file -` reads standard input, which may have lines of other programs in any encoding."""
    given = b"caf\xe9\n" + json.dumps(ALLOWED).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(given)), encoding="utf-8"))
    assert main(["why", "00000001", "-f", "-"]) == 0
    assert "from the cache" in capsys.readouterr().out


def test_a_compressed_log(tmp_path, capsys, monkeypatch):
    """A file that logrotate has compressed is read, and so is compressed standard input."""
    log = tmp_path / "audit.jsonl.2.gz"
    log.write_bytes(gzip.compress(json.dumps(ALLOWED).encode()))
    assert main(["why", "00000001", "-f", str(log)]) == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(log.read_bytes()))))
    assert main(["why", "00000001", "-f", "-"]) == 0
    assert capsys.readouterr().out.count("from the cache") == 2


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:2], lambda data: data[:12] + b"x" * 9])
def test_a_damaged_compressed_log(tmp_path, capsys, damage):
    """A damaged compressed file is an error that names it."""
    log = tmp_path / "audit.jsonl.2.gz"
    log.write_bytes(damage(gzip.compress(json.dumps(ALLOWED).encode())))
    assert main(["why", "00000001", "-f", str(log)]) == 2
    assert capsys.readouterr().err == f"authd: {log}: the compressed log is damaged or incomplete\n"


def test_the_journal(tmp_path, capsys, monkeypatch):
    """Without `--file`, the decisions come from the journal of the unit."""
    program = tmp_path / "journalctl"
    program.write_text(f"#!/bin/sh\necho \"$@\" >{tmp_path}/arguments\necho '{json.dumps(DENIED)}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert main(["why", "3f9a01c2", "--since", "2026-11-27T00:00Z", "--unit", "authd-b"]) == 0
    assert "identity_not_mapped" in capsys.readouterr().out
    assert (tmp_path / "arguments").read_text() == (
        "--unit authd-b --output cat --no-pager --quiet --since @1795737600\n"
    )


def test_mappings_in_the_cluster(log, settings, capsys):
    """If the mappings are in the cluster, a command is proposed, and the outcome under the file is omitted."""
    settings.write_text("clusterID: c\nserver: {backendMode: [EKSConfigMap]}\n")
    assert main(["why", "3f9a01c2", "--file", log, "-c", str(settings)]) == 0
    out = capsys.readouterr().out
    assert f"\n  authd add role --rolearn {ROLE} --username 'Dev:{{{{SessionName}}}}' --groups GROUPS" in out
    assert "settings now" not in out
    assert "below `server`" not in out


def test_the_audit_log(tmp_path, settings, capsys):
    """Without `--file`, the decisions come from the settings' audit log and its rotated files, compressed or not."""
    audit = tmp_path / "audit.log"
    settings.write_text(f"clusterID: c\nserver: {{auditLog: {audit}}}\n")
    audit.write_text(json.dumps(ALLOWED) + "\n")
    audit.with_name("audit.log.2").write_text(json.dumps({**DENIED, "rule": "c.yaml:3:5"}) + "\n")
    audit.with_name("audit.log.3.gz").write_bytes(gzip.compress(json.dumps(ALLOWED).encode()))
    assert main(["why", "--since", "2026-11-27", "-c", str(settings)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "3 decisions"
    assert main(["why", "3f9a01c2", "-c", str(settings)]) == 0
    assert "rule          c.yaml:3:5\n" in capsys.readouterr().out


def test_nothing_found(log, capsys):
    """An unknown reference ends with 1."""
    assert main(["why", "ffffffff", "-f", log]) == 1
    assert capsys.readouterr().out.startswith(f"no such decision in {log}\n")
    assert main(["why", "ffffffff", "-f", log, "-o", "json"]) == 1
    assert parsed("why", capsys.readouterr().out) == {"decisions": []}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give a reference, or --user NAME, or --since TIME"),
        (["3f9a"], "a reference has 8 hex digits"),
        (["--since", "soon"], "--since takes yesterday"),
        (["3f9a01c2", "-f", "/does/not/exist"], "/does/not/exist: the log can't be read: No such file or directory"),
        (["3f9a01c2", "-c", "/does/not/exist", "-f", "/dev/null"], "/does/not/exist: the settings file can't be read"),
    ],
)
def test_unusable_arguments(arguments, says, capsys):
    """A wrong command line or an unreadable file is an error with the exit status 2."""
    assert main(["why", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"authd: {says}")


def test_no_journal(monkeypatch, capsys, tmp_path):
    """Without journalctl the message names the other options."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["why", "3f9a01c2"]) == 2
    assert "name the log with --file FILE" in capsys.readouterr().err


def test_a_journal_that_fails(monkeypatch, capsys, tmp_path):
    """The error message of journalctl is printed."""
    program = tmp_path / "journalctl"
    program.write_text("#!/bin/sh\necho 'No journal files were opened' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert main(["why", "3f9a01c2"]) == 2
    assert "journalctl failed: No journal files were opened" in capsys.readouterr().err


def test_control_characters_are_escaped(tmp_path, capsys):
    """Control characters in a name are escaped."""
    file = tmp_path / "log"
    file.write_text(json.dumps({**ALLOWED, "username": "a\x1b[2Jb"}))
    assert main(["why", "--user", "alice", "-f", str(file)]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_a_mapping_that_has_ended(tmp_path, capsys):
    """If a rule had ended, the next step is to check its times, and no other mapping is proposed."""
    message = "no mapping matches: the rule at c.yaml:4:5 ended at 2030-12-31T18:00:00Z"
    log = tmp_path / "log"
    log.write_text(json.dumps({**DENIED, "message": message, "rule": "c.yaml:4:5"}) + "\n")
    assert main(["why", "3f9a01c2", "--file", str(log)]) == 0
    out = capsys.readouterr().out
    assert f"message       {message}\n" in out
    assert "next step     None, if the time of c.yaml:4:5 is right. Otherwise change its validFrom or validUntil" in out
    assert "mapRoles:" not in out
