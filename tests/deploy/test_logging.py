"""The configurations for log shippers fit the audit log."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import yaml

from authd.daemon.telemetry.audit_log import AuditLog
from authd.daemon.telemetry.decision_log import DecisionLog
from authd.daemon.telemetry.metrics import Metrics
from authd.sources.lockout_guard import SeenIdentities
from tests.daemon.fakes import decision, identity, presigned

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "logging"
FILE = "/var/log/authd/audit.jsonl"


def record(tmp_path: Path) -> str:
    """Return a line of an audit log."""
    path = tmp_path / "audit.jsonl"
    log = DecisionLog(frozenset, Metrics(), SeenIdentities(float), audit=AuditLog(path, 1_000_000))
    log.decided(decision("identity_not_mapped", "no", identity())._replace(request=presigned()), 0.001, 200)
    return path.read_text("utf-8")


def test_the_documented_file_is_read() -> None:
    """Each configuration reads the path that the documents recommend."""
    bit = yaml.safe_load((FOLDER / "fluent-bit.yaml").read_text("utf-8"))
    vector = yaml.safe_load((FOLDER / "vector.yaml").read_text("utf-8"))
    agent = json.loads((FOLDER / "cloudwatch-agent.json").read_text("utf-8"))
    assert [each["path"] for each in bit["pipeline"]["inputs"]] == [FILE]
    assert vector["sources"]["authd_audit_file"]["include"] == [FILE]
    (collected,) = agent["logs"]["logs_collected"]["files"]["collect_list"]
    assert collected["file_path"] == FILE
    assert f'file="{FILE}"' in (FOLDER / "rsyslog.conf").read_text("utf-8")
    assert FILE in (ROOT / "docs" / "operations.md").read_text("utf-8")


def test_the_time_is_parsed(tmp_path: Path) -> None:
    """The time formats of the configurations parse the time of a real record."""
    line = record(tmp_path)
    text = json.loads(line)["time"]
    bit = yaml.safe_load((FOLDER / "fluent-bit.yaml").read_text("utf-8"))["parsers"][0]
    assert bit["time_key"] in json.loads(line)
    layout = bit["time_format"].replace("%L", "%f")
    assert abs(datetime.strptime(text, layout).replace(tzinfo=UTC).timestamp() - datetime.now(UTC).timestamp()) < 3_600
    agent = json.loads((FOLDER / "cloudwatch-agent.json").read_text("utf-8"))
    layout = agent["logs"]["logs_collected"]["files"]["collect_list"][0]["timestamp_format"]
    # The agent converts the layout to a regular expression, and parses the first match.
    pattern = re.sub("%[A-Za-z]", "[0-9]+", re.escape(layout))
    found = re.search(pattern, line)
    assert found is not None
    assert datetime.strptime(found[0], layout).replace(tzinfo=UTC) == datetime.fromisoformat(text)
