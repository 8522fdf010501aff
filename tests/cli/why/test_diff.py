from __future__ import annotations

import json

import pytest

from authd.cli.main import main
from tests.cli.shapes import parsed

OLD = """\
clusterID: c
server:
  rolePatterns: true
  mapRoles:
  - {roleARN: arn:aws:iam::111122223333:role/Admin, username: "admin:{{SessionName}}", groups: [system:masters, a]}
  - {roleARN: "arn:aws:iam::111122223333:role/dev-*", username: dev, groups: [devs]}
  - {sso: {permissionSetName: Viewer, accountID: "111122223333"}, username: "{{SessionNameRaw}}"}
  mapAccounts: ["444455556666"]
"""
NEW = """\
clusterID: c
server:
  rolePatterns: true
  port: 21364
  mapRoles:
  - {roleARN: arn:aws:iam::111122223333:role/Admin, username: "admin:{{SessionName}}", groups: [admins]}
  - {sso: {permissionSetName: Viewer, accountID: "111122223333"}, username: "{{SessionNameRaw}}"}
  - {roleARN: arn:aws:iam::111122223333:role/New, username: new}
  sts: {cacheTTL: 3s}
"""
ARN = "arn:aws:sts::111122223333:assumed-role/dev-1/alice"
RECORD = {"decision": "allowed", "reason": "allowed", "reference": "00000001", "arn": ARN}


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.yaml").write_text(OLD)
    (tmp_path / "new.yaml").write_text(NEW)
    lines = [json.dumps(RECORD), json.dumps({**RECORD, "arn": "(scrubbed)"}), json.dumps(RECORD)]
    (tmp_path / "log").write_text("\n".join(lines))
    return tmp_path


def test_text(files, capsys):
    """Each rule, identity and setting that differs has a line with its place, and the exit status is 1."""
    assert main(["diff", "old.yaml", "new.yaml", "--identities", "log"]) == 1
    assert capsys.readouterr().out == (
        "rules: 1 gained, 2 lost, 1 changed\n"
        "  ~ arn:aws:iam::111122223333:role/Admin: admin:{{SessionName}} [system:masters, a] → "
        "admin:{{SessionName}} [admins] (new.yaml:6:5)\n"
        "  - arn:aws:iam::111122223333:role/dev-*: dev [devs] (old.yaml:6:5)\n"
        "  - every role and user of account 444455556666: its ARN [] (old.yaml:8:17)\n"
        "  + arn:aws:iam::111122223333:role/New: new [] (new.yaml:8:5)\n"
        "identities: 0 gained, 1 lost, 0 changed\n"
        f"  - {ARN}: dev [devs] (old.yaml:6:5)\n"
        "2 other settings\n"
        "  ~ server.port: 21362 → 21364\n"
        "  ~ server.sts.cacheTTL: 0.0 → 3.0\n"
    )


def test_json(files, capsys):
    """JSON has the same in lists."""
    assert main(["diff", "old.yaml", "new.yaml", "--identities", "log", "-o", "json"]) == 1
    found = parsed("diff", capsys.readouterr().out)
    assert [rule["change"] for rule in found["rules"]] == ["changed", "lost", "lost", "gained"]
    assert found["identities"] == [
        {
            "change": "lost",
            "arn": ARN,
            "old": {"username": "dev", "groups": ["devs"], "where": "old.yaml:6:5"},
            "new": None,
        }
    ]
    assert found["settings"][0] == {"setting": "server.port", "old": "21362", "new": "21364"}


def test_the_same(files, capsys):
    """Moved rules and reordered groups are no difference, and the exit status is 0."""
    (files / "new.yaml").write_text("# moved\n" + OLD.replace("[system:masters, a]", "[a, system:masters]"))
    assert main(["diff", "old.yaml", "new.yaml", "--identities", "log"]) == 0
    assert capsys.readouterr().out == ("rules: 0 gained, 0 lost, 0 changed\nidentities: 0 gained, 0 lost, 0 changed\n")


def test_the_order_of_patterns(files, capsys):
    """A new order of wildcard rules shows up in the identities that it concerns."""
    rule = '  - {roleARN: "arn:aws:iam::111122223333:role/dev-*", username: dev, groups: [devs]}\n'
    other = '  - {roleARN: "arn:aws:iam::111122223333:role/dev-?", username: one}\n'
    (files / "old.yaml").write_text(OLD.replace(rule, rule + other))
    (files / "new.yaml").write_text(OLD.replace(rule, other + rule))
    assert main(["diff", "old.yaml", "new.yaml", "--identities", "log"]) == 1
    out = capsys.readouterr().out
    assert "identities: 0 gained, 0 lost, 1 changed\n" in out
    assert f"  ~ {ARN}: dev [devs] → one [] (new.yaml:6:5)\n" in out


@pytest.mark.parametrize(("old", "new", "status"), [("old", "new", 1), ("new", "added", 0), ("old", "old", 0)])
def test_losses_alone(files, old, new, status):
    """With `--fail-on losses` only a lost rule or identity gives 1."""
    (files / "added.yaml").write_text(NEW.replace("  sts:", "  mapAccounts: ['444455556666']\n  sts:"))
    assert main(["diff", f"{old}.yaml", f"{new}.yaml", "--fail-on", "losses"]) == status


def test_a_broken_file(files, capsys):
    """A file that can't be used gives 2, with its errors."""
    (files / "new.yaml").write_text("clusterID: c\nserver: {mapRole: []}\n")
    assert main(["diff", "old.yaml", "new.yaml"]) == 2
    assert "new.yaml:2:10: unknown setting server.mapRole" in capsys.readouterr().err


def test_times_of_rules(files, capsys):
    """A rule that ends is another one, and two rules for one role are compared one by one."""
    head = "clusterID: c\nserver:\n  mapRoles:\n"
    rule = "  - {{roleARN: arn:aws:iam::111122223333:role/A, username: {}}}\n"
    (files / "old.yaml").write_text(head + rule.format("a"))
    (files / "new.yaml").write_text(head + rule.format("a") + rule.format("b, validUntil: 2030-01-01"))
    assert main(["diff", "old.yaml", "new.yaml"]) == 1
    assert (
        "  + arn:aws:iam::111122223333:role/A (rule 2): b [] validUntil 2030-01-01T00:00:00Z (new.yaml:5:5)\n"
        in capsys.readouterr().out
    )
    (files / "old.yaml").write_text(head + rule.format("a, validFrom: 2020-01-01"))
    (files / "new.yaml").write_text(head + rule.format("a"))
    assert main(["diff", "old.yaml", "new.yaml", "-o", "json"]) == 1
    (change,) = json.loads(capsys.readouterr().out)["rules"]
    assert (change["change"], change["old"]["validFrom"]) == ("changed", "2020-01-01T00:00:00Z")


def test_reserved_prefixes(files, capsys):
    """Prefixes of user names and of groups are one setting, shown by their source."""
    head = "clusterID: c\nserver:\n  reservedPrefixConfig: [{{backendMode: MountedFile, {}: [x]}}]\n"
    (files / "old.yaml").write_text(head.format("usernamePrefixReserveList"))
    (files / "new.yaml").write_text(head.format("groupPrefixReserveList"))
    assert main(["diff", "old.yaml", "new.yaml"]) == 1
    change = "server.reservedPrefixConfig: MountedFile: user names 'x' → MountedFile: groups 'x'"
    assert capsys.readouterr().out.endswith(f"1 other setting\n  ~ {change}\n")
