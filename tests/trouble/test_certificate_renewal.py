"""The server's certificate is renewed by itself, long before its end, and what clients trust stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from authd.daemon.certificates import LEAF_LIFETIME
from authd.daemon.state_files import StateFiles
from authd.emulator.sample import ALICE_KEY
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.polling import wait_until
from tests.trouble.rig.clock import Clock
from tests.trouble.rig.reading import LET_IN, metric, outcome, readiness

HOSTS = ("localhost", "127.0.0.1", "::1")


def made_so_as_to_end_in(days: float) -> datetime:
    """Return when a leaf was made that ends in so many days."""
    return datetime.now(UTC) - LEAF_LIFETIME + timedelta(days=days)


def issue_long_ago(files: StateFiles, days_left: float) -> None:
    """Sign a pair that ends in so many days, as if it had been made in time."""
    made = made_so_as_to_end_in(days_left)
    if files.authority.exists():
        files.issue_leaf(files.read_authority(), HOSTS, made)
    else:
        files.ensure_pair(HOSTS, made)


@pytest.mark.parametrize("days_left", [5, -3], ids=["near its end", "past its end"])
def test_an_old_certificate_is_renewed_at_the_start(
    make_daemon: Callable[..., DaemonProcess], new_token: Callable[..., str], days_left: float
) -> None:
    """A daemon that comes back after a long rest serves nobody the certificate of before, by the same authority."""
    daemon = make_daemon()
    files = StateFiles(folder=daemon.state)
    issue_long_ago(files, days_left)
    authority = files.authority.read_bytes()
    with daemon, daemon.client() as client:
        assert outcome(client.review(new_token(ALICE_KEY))) == LET_IN
        assert client.authority.encode() == authority == files.authority.read_bytes()
        assert metric(daemon, "authd_certificate_days_left") > LEAF_LIFETIME.days - 1
        assert readiness(daemon, "certificate") == "ok"


def test_a_certificate_is_renewed_under_way(
    make_daemon: Callable[..., DaemonProcess], tmp_path: Path, new_token: Callable[..., str]
) -> None:
    """Without a restart a leaf near its end gives way to a new one; the kubeconfig and live connections stay good."""
    daemon = make_daemon(process={"launcher": Clock(tmp_path / "clock").launcher})  # it looks at files every second
    with daemon, daemon.client() as before:
        kubeconfig, authority = daemon.kubeconfig.read_bytes(), before.authority
        first = before.peer_serial()
        issue_long_ago(StateFiles(folder=daemon.state), days_left=5)
        wait_until(lambda: metric(daemon, "authd_certificate_days_left") < 6, "the old leaf to be served")
        assert "expires in" in readiness(daemon, "certificate")
        wait_until(lambda: metric(daemon, "authd_certificate_days_left") > 80, "a new leaf")
        assert readiness(daemon, "certificate") == "ok"
        assert outcome(before.review(new_token(ALICE_KEY))) == LET_IN
        assert before.peer_serial() == first
        with daemon.client() as after:
            assert outcome(after.review(new_token(ALICE_KEY))) == LET_IN
            assert after.peer_serial() != first
            assert after.authority == authority
        assert daemon.kubeconfig.read_bytes() == kubeconfig
