"""The audit log: records, rotation and a full disk."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import capturedLogs, formatEvent

from authd.core.decision import ALLOWED, Decision, Source
from authd.core.errors import DenialReason
from authd.core.kubernetes_user import KubernetesUser
from authd.core.trace_context import TraceContext
from authd.daemon.telemetry.audit_log import AuditLog
from authd.daemon.telemetry.decision_log import DecisionLog
from authd.daemon.telemetry.metrics import Metrics
from authd.sources.lockout_guard import SeenIdentities
from tests.daemon.fakes import decision, identity, presigned

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "audit.schema.json").read_text("utf-8"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def test_records_are_appended(path: Path) -> None:
    """Records are appended to those of an earlier run, in a file that only its owner can read."""
    path.write_text("before\n")
    path.chmod(0o600)
    audit = AuditLog(path, 1_000_000)
    audit.open()
    audit.add("one")
    audit.add("two")
    assert lines(path) == ["before"]
    audit.flush()
    assert lines(path) == ["before", "one", "two"]
    audit.close()
    audit.add("three")
    audit.flush()
    assert lines(path)[-1] == "three"


def test_it_rotates_by_size(path: Path) -> None:
    """At its maximum size the file is renamed. Nine files stay, the newest with the lowest number."""
    audit = AuditLog(path, 10)
    for number in range(12):
        audit.add(f"record {number:05d}")
        audit.flush()
    assert not path.exists()
    assert sorted(each.name for each in path.parent.iterdir()) == [f"audit.jsonl.{number}" for number in range(1, 10)]
    assert lines(path.with_name("audit.jsonl.1")) == ["record 00011"]
    assert lines(path.with_name("audit.jsonl.9")) == ["record 00003"]


def test_a_failed_rotation_loses_no_record(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If files can't be renamed, records are still appended. The error is logged at each attempt, not at each record."""

    def refuse(_file: Path, _target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    audit = AuditLog(path, 100)
    with capturedLogs() as events, monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refuse)
        for number in range(20):
            audit.add(f"record {number:05d}")
            audit.flush()
    assert len(lines(path)) == 20
    assert [event["log_level"].name for event in events] == ["error", "error"]
    assert "can't be rotated: Permission denied" in str(formatEvent(events[0]))
    audit.reopen()
    audit.add("another")
    audit.flush()
    assert lines(path.with_name("audit.jsonl.1"))[-2:] == ["record 00019", "another"]


def test_a_pipe_is_not_rotated(path: Path) -> None:
    """A pipe, such as /dev/stdout in a container, keeps its name at any size."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    audit = AuditLog(path, 10)
    for number in range(3):
        audit.add(f"record {number:05d}")
        audit.flush()
    assert os.read(reader, 1000) == b"record 00000\nrecord 00001\nrecord 00002\n"
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert audit.problem() == ""
    audit.close()
    os.close(reader)


def test_it_follows_a_rename(path: Path) -> None:
    """After a rename and SIGHUP, records go to a new file, and none is lost."""
    audit = AuditLog(path, 1_000_000)
    for number in range(3):
        audit.add(str(number))
        audit.flush()
    renamed = path.with_suffix(".old")
    path.rename(renamed)
    audit.add("3")
    audit.flush()
    audit.add("4")
    audit.reopen()
    audit.add("5")
    audit.flush()
    assert (lines(renamed), lines(path)) == (["0", "1", "2", "3", "4"], ["5"])


def test_records_wait_while_the_disk_is_full(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records wait while the disk is full, also the rest of a partly written one. The error is logged once."""
    audit = AuditLog(path, 1_000_000)
    real, room = os.write, [5]

    def write(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, os.strerror(28))
        size, room[0] = min(room[0], len(data)), max(0, room[0] - len(data))
        return real(descriptor, data[:size])

    with monkeypatch.context() as full, capturedLogs() as events:
        full.setattr(os, "write", write)
        for record in ("first", "second", "third"):
            audit.add(record)
            audit.flush()
    assert [event["log_level"].name for event in events] == ["error"]
    assert "No space left on device" in audit.problem()
    assert path.read_text() == "first"
    audit.add("fourth")
    with capturedLogs() as events:
        audit.flush()
    assert [event["log_level"].name for event in events] == ["info"]
    assert lines(path) == ["first", "second", "third", "fourth"]
    assert (audit.problem(), audit.lost) == ("", 0)


def test_waiting_records_are_bounded(path: Path) -> None:
    """Beyond a mebibyte the oldest waiting records are dropped and counted."""
    audit = AuditLog(path / "missing" / "folder", 1_000_000)
    for _ in range(20):
        audit.add("x" * 100_000)
        audit.flush()
    assert audit.lost == 10


def records(
    audit: AuditLog, path: Path, *decisions: Decision, scrubbed: frozenset[str] = frozenset()
) -> list[dict[str, Any]]:
    log = DecisionLog(lambda: scrubbed, Metrics(), SeenIdentities(float), audit=audit)
    log.hold()
    for each in decisions:
        log.decided(each, 0.001, 200)
    log.release()
    log.report_omitted()
    return [json.loads(line) for line in lines(path)]


def test_each_record_is_valid_by_the_schema(path: Path) -> None:
    """Every kind of record is valid by docs/audit.schema.json, and an unknown field is not."""
    jsonschema = pytest.importorskip("jsonschema")
    user = KubernetesUser(username="alice", groups=("viewers",), rule="c.yaml:1:1")
    allowed = Decision(
        reason=ALLOWED, message="", reference="01234567", user=user, identity=identity(), source=Source.CACHE,
        request=presigned(), rule="c.yaml:1:1",
    )  # fmt: skip
    unmapped = decision(DenialReason.IDENTITY_NOT_MAPPED, "no", identity())._replace(request=presigned())
    mismatch = decision(DenialReason.SIGNATURE_MISMATCH)._replace(request=presigned())
    traced = allowed._replace(trace=TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=False))
    foreign = [decision(DenialReason.FOREIGN_TOKEN)] * 150
    written = records(AuditLog(path, 1_000_000), path, allowed, unmapped, mismatch, traced, *foreign)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for record in written:
        validator.validate(record)
    assert {record["decision"] for record in written} == {"allowed", "denied", "omitted"}
    assert validator.is_valid({**written[0], "token_text": "x"}) is False
    assert (written[3]["trace_id"], written[3]["span_id"]) == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    assert validator.is_valid({**written[3], "trace_id": "0" * 32}) is False
    del written[3]["span_id"]
    assert validator.is_valid(written[3]) is False


def test_a_scrubbed_account_is_in_no_record(path: Path) -> None:
    """No field of a record holds a scrubbed account."""
    user = KubernetesUser(username="u-111122223333", groups=(), rule="c.yaml:1:1")
    allowed = decision(ALLOWED, "", identity())._replace(user=user, request=presigned())
    records(AuditLog(path, 1_000_000), path, allowed, scrubbed=frozenset({"111122223333"}))
    assert "111122223333" not in path.read_text()
    assert "AKIA" not in path.read_text()
