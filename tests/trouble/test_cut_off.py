"""A renewal is interrupted at each step, and the disk is full at the next start. The daemon serves a complete pair."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from authd.daemon.certificates.serving_certificate import ServingCertificate
from authd.emulator.directory.sample import ALICE_KEY
from authd.state.certificate_store import StateFiles
from authd.state.x509 import LEAF_LIFETIME
from tests.integration.rig.daemon import DaemonProcess
from tests.trouble.rig.mounts import SmallDisk
from tests.trouble.rig.reading import LET_IN, outcome, readiness

HOSTS = ("localhost", "127.0.0.1", "::1")
SCRIPT = Path(__file__).parent / "rig" / "renew_until_killed.py"
#: An upper bound of a renewal's steps. The test counts them.
MOST_STEPS = 40


@pytest.fixture
def state_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk.mounted(tmp_path / "daemon0" / "state") as disk:
        yield disk


def old_state(folder: Path) -> StateFiles:
    """Create a state directory with a leaf that expires in a week."""
    files = StateFiles(folder=folder)
    files.ensure_pair(HOSTS, datetime.now(UTC) - LEAF_LIFETIME + timedelta(days=7))
    return files


def killed(files: StateFiles, step: int) -> bool:
    """Renew with a kill before a step, and return whether the step was reached."""
    done = subprocess.run([sys.executable, str(SCRIPT), str(files.folder), str(step)], check=False)
    assert done.returncode in (0, -signal.SIGKILL)
    return done.returncode != 0


def test_a_complete_pair_remains_after_a_kill_at_any_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a kill before any step, the daemon can serve the remaining files, even on a read-only disk."""
    steps = 0
    saw_half = False
    while steps < MOST_STEPS:
        files = old_state(tmp_path / str(steps))
        old = files.read_pair()
        if not killed(files, steps):
            break
        steps += 1
        left = files.read_pair()
        saw_half |= (left.key_pem != old.key_pem) and (left.certificate_pem == old.certificate_pem)
        pair = ServingCertificate(files, HOSTS, lambda: datetime.now(UTC), client_certificates=False)
        with monkeypatch.context() as full:
            full.setattr("authd.state.certificate_store.write_atomically", no_room)
            pair.load()
        assert timedelta() < pair.span.ends - datetime.now(UTC)
        authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
        served = pair.tls.current
        assert served is not None
        pair.check()
        assert pair.problem() == ""
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        certificate.verify_directly_issued_by(authority)
        assert pair.days_left > LEAF_LIFETIME.days - 1
    assert 8 < steps < MOST_STEPS
    assert saw_half


def no_room(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_the_daemon_starts_on_a_full_disk_with_half_a_renewal(
    state_disk: SmallDisk, make_daemon: Callable[..., DaemonProcess], new_token: Callable[..., str], tmp_path: Path
) -> None:
    """With a new key, an old certificate and a full disk, logins continue. With free space, the pair is completed."""
    daemon = make_daemon()
    files = old_state(daemon.state)
    old = files.read_pair()
    for step in range(MOST_STEPS):
        trial = shutil.copytree(daemon.state, tmp_path / f"trial{step}")
        assert killed(StateFiles(folder=trial), step)
        left = StateFiles(folder=trial).read_pair()
        if left.key_pem != old.key_pem and left.certificate_pem == old.certificate_pem:
            break
    shutil.copytree(trial, daemon.state, dirs_exist_ok=True)
    assert files.read_pair() == left
    state_disk.fill_up()
    with daemon:
        daemon.wait_for_message("the last good certificate is in use")
        assert "do not match" in readiness(daemon, "certificate")
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
        state_disk.free()
        daemon.hang_up()
        daemon.wait_for_message("the last good certificate was restored")
        assert readiness(daemon, "certificate").startswith("ok, ")
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
