"""Log shippers read a real daemon's audit log with the configurations of `deploy/logging`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from authd.emulator.directory.sample import ALICE_KEY, MALLORY_KEY
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.minting import Mint
from tests.integration.rig.polling import wait_until
from tests.integration.rig.shippers import CONFIGURATIONS, SHIPPERS, Shipper

Maker = Callable[..., DaemonProcess]


def written(*paths: Path) -> list[dict[str, Any]]:
    """Return the records of audit logs."""
    return [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]


def _program(shipper: Shipper) -> Any:
    missing = shutil.which(shipper.program) is None
    reason = f"{shipper.program} is not here: {shipper.install}"
    return pytest.param(shipper, id=shipper.program, marks=pytest.mark.skipif(missing, reason=reason))


@pytest.mark.parametrize("shipper", [_program(shipper) for shipper in SHIPPERS])
def test_a_shipper(shipper: Shipper, make_daemon: Maker, mint: Mint, tmp_path: Path) -> None:
    """Each record arrives once with all its fields and its time, also after a rotation."""
    folder, audit = tmp_path / "shipper", tmp_path / "audit.jsonl"
    folder.mkdir()
    with make_daemon(auditLog=str(audit)) as daemon:
        daemon.review(mint.by_signer(ALICE_KEY))
        daemon.review(mint.by_signer(MALLORY_KEY))
        process = shipper.start(folder, audit)
        try:
            _wait(shipper, folder, 2)
            audit.rename(tmp_path / "audit.jsonl.1")
            daemon.hang_up()
            daemon.review("nobody's token")
            daemon.review(mint.by_signer(ALICE_KEY))
            shipped = _wait(shipper, folder, 4)
        finally:
            process.terminate()
            process.wait(30)
    records = written(tmp_path / "audit.jsonl.1", audit)
    assert written(audit), "no record was written after the rotation"
    assert [record for record, _ in shipped] == records
    times = [(_moment(time), _moment(record["time"])) for record, time in shipped]
    assert all(time == own for time, own in times), times


def _wait(shipper: Shipper, folder: Path, count: int) -> Any:
    """Wait for a number of records, or one more."""

    def enough() -> Any:
        shipped = shipper.shipped(folder)
        return shipped if len(shipped) >= count else None

    try:
        return wait_until(enough, f"{count} records")
    except AssertionError:
        raise AssertionError((folder / "stderr").read_text("utf-8", "replace")) from None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_the_program_in_vectors_configuration(make_daemon: Maker, mint: Mint, tmp_path: Path) -> None:
    """Vector's runtime compiles the program, which turns each record into an event with the record's time."""
    pyvrl = pytest.importorskip("pyvrl", reason="pyvrl has no wheel for this Python: it has 3.11 and 3.12 on x86-64")
    vector = yaml.safe_load((CONFIGURATIONS / "vector.yaml").read_text("utf-8"))
    program = pyvrl.Transform(vector["transforms"]["authd_audit"]["source"] + "\n.")
    audit = tmp_path / "audit.jsonl"
    with make_daemon(auditLog=str(audit)) as daemon:
        daemon.review(mint.by_signer(ALICE_KEY))
        daemon.review(mint.by_signer(MALLORY_KEY))
    for line in audit.read_text("utf-8").splitlines():
        event = program.remap({"message": line, "file": str(audit), "host": "node"})
        record = json.loads(line)
        assert event.pop("timestamp") == _moment(record["time"])
        assert event == record
    with pytest.raises(ValueError, match="unable to parse json"):
        program.remap({"message": line[:-10]})  # drop_on_error drops a line truncated by a full disk
