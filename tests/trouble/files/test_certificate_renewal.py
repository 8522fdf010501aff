"""The server's certificate is renewed long before it expires, and clients keep trusting the same CA."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from authd.emulator.directory.sample import ALICE_KEY
from authd.state.certificate_store import StateFiles
from authd.state.x509 import LEAF_LIFETIME
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import CLUSTER, bare_environment, script
from tests.integration.rig.polling import wait_until
from tests.trouble.rig.clock import Clock
from tests.trouble.rig.reading import LET_IN, metric, outcome, readiness

HOSTS = ("localhost", "127.0.0.1", "::1")


def issue_time_for(days: float) -> datetime:
    """Return the issue time of a leaf that expires in a number of days."""
    return datetime.now(UTC) - LEAF_LIFETIME + timedelta(days=days)


def certificate_days(daemon: DaemonProcess) -> float:
    """Return the days until the current certificate expires, by the daemon's metrics."""
    return metric(daemon, "authd_certificate_expiry_seconds") / 86_400


def issue_long_ago(files: StateFiles, days_left: float) -> None:
    """Issue a pair that expires in a number of days, as if it had been issued earlier."""
    made = issue_time_for(days_left)
    if files.authority.exists():
        files.issue_leaf(files.read_authority(), HOSTS, made)
    else:
        files.ensure_pair(HOSTS, made)


@pytest.mark.parametrize("days_left", [5, -3], ids=["near its end", "past its end"])
def test_an_old_certificate_is_renewed_at_the_start(
    make_daemon: Callable[..., DaemonProcess], new_token: Callable[..., str], days_left: float
) -> None:
    """After a long downtime the daemon serves a new certificate of the same CA."""
    daemon = make_daemon()
    files = StateFiles(folder=daemon.state)
    issue_long_ago(files, days_left)
    authority = files.authority.read_bytes()
    with daemon, daemon.client() as client:
        assert outcome(client.review(new_token(ALICE_KEY))) == LET_IN
        assert client.authority.encode() == authority == files.authority.read_bytes()
        assert certificate_days(daemon) > LEAF_LIFETIME.days - 1
        assert readiness(daemon, "certificate").startswith("ok, ")


def test_a_certificate_is_renewed_while_serving(
    make_daemon: Callable[..., DaemonProcess], tmp_path: Path, new_token: Callable[..., str]
) -> None:
    """A leaf near its expiry is replaced without a restart. The kubeconfig and open connections stay valid."""
    daemon = make_daemon(process={"launcher": Clock(tmp_path / "clock").launcher})  # polls files every second
    with daemon, daemon.client() as before:
        kubeconfig, authority = daemon.kubeconfig.read_bytes(), before.authority
        first = before.peer_serial()
        files = StateFiles(folder=daemon.state)
        authority_pair = files.read_authority()
        files.authority_key.unlink()  # prevents renewal for now
        files.issue_leaf(authority_pair, HOSTS, issue_time_for(5))
        wait_until(lambda: certificate_days(daemon) < 6, "the old leaf to be served")
        assert "expires in" in readiness(daemon, "certificate")
        files.authority_key.write_bytes(authority_pair.key_pem)
        wait_until(lambda: certificate_days(daemon) > 80, "a new leaf")
        assert readiness(daemon, "certificate").startswith("ok, ")
        assert outcome(before.review(new_token(ALICE_KEY))) == LET_IN
        assert before.peer_serial() == first
        with daemon.client() as after:
            assert outcome(after.review(new_token(ALICE_KEY))) == LET_IN
            assert after.peer_serial() != first
            assert after.authority == authority
        assert daemon.kubeconfig.read_bytes() == kubeconfig


FUTURE = timedelta(days=300)


def test_certificates_from_the_future_are_reissued_at_the_start(
    make_daemon: Callable[..., DaemonProcess], new_token: Callable[..., str]
) -> None:
    """CA and leaf created while the clock was far ahead are reissued with the same keys, valid from now."""
    daemon = make_daemon()
    files = StateFiles(folder=daemon.state)
    files.ensure_pair(HOSTS, datetime.now(UTC) + FUTURE)
    key = files.authority_key.read_bytes()
    with daemon:
        said = daemon.wait_for_message("its own key has signed it again; restart kube-apiserver")["message"]
        assert "not valid before" in said
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
        assert readiness(daemon, "certificate").startswith("ok, ")
        assert certificate_days(daemon) > LEAF_LIFETIME.days - 1
        assert files.authority_key.read_bytes() == key


def test_certificates_from_the_future_with_a_pregenerated_kubeconfig_are_reported(
    make_daemon: Callable[..., DaemonProcess], new_token: Callable[..., str], evidence: Evidence
) -> None:
    """With a pregenerated kubeconfig nothing changes. Log and metrics report the problem, and `authd init` solves it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    daemon = make_daemon(process={"arguments": ["--kubeconfig-pregenerated", "--port", port]})
    files = StateFiles(folder=daemon.state)
    files.ensure_pair(HOSTS, datetime.now(UTC) + FUTURE)
    before = {path.name: path.read_bytes() for path in daemon.state.glob("*.pem")}
    with daemon:
        assert readiness(daemon, "certificate").startswith("not valid before 20")
        assert daemon.health("/readyz").status == 503
        assert -301 < certificate_days(daemon) < -298
        assert {path.name: path.read_bytes() for path in daemon.state.glob("*.pem")} == before

        command = [script("authd"), "init", "-i", CLUSTER, "--state-dir", str(daemon.state), "--port", port]
        command += ["--generate-kubeconfig", str(daemon.kubeconfig)]
        done = subprocess.run(
            command, env=bare_environment(daemon.folder), capture_output=True, timeout=60, check=False
        )
        evidence.said("authd init", done.stdout + done.stderr)
        assert done.returncode == 0, done.stderr
        wait_until(lambda: readiness(daemon, "certificate").startswith("ok, "), "the certificate to be good")
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN


def test_a_clock_that_jumps_and_returns_leaves_a_valid_certificate(
    make_daemon: Callable[..., DaemonProcess], tmp_path: Path, new_token: Callable[..., str]
) -> None:
    """After the clock jumps beyond the leaf's expiry and back, the leaf is soon valid, and the CA is the same."""
    clock = Clock(tmp_path / "clock")
    daemon = make_daemon(process={"launcher": clock.launcher})
    with daemon:
        files = StateFiles(folder=daemon.state)
        kubeconfig, authority = daemon.kubeconfig.read_bytes(), files.authority.read_bytes()
        for days in (200, 0):
            count = len(daemon.events())
            clock.jump_to(days * 86_400)
            daemon.wait_for_message("serving a new certificate", count)
            wait_until(lambda: readiness(daemon, "certificate").startswith("ok, "), "a leaf that is valid")
            assert certificate_days(daemon) > LEAF_LIFETIME.days - 1
        clock.jump_to(-86_400)  # before the CA's validity, when no new leaf would be valid
        leaf = files.certificate.read_bytes()
        wait_until(lambda: "not valid before" in readiness(daemon, "certificate"), "the clock to be told")
        clock.jump_to(0)
        wait_until(lambda: readiness(daemon, "certificate").startswith("ok, "), "all to be well again")
        assert files.certificate.read_bytes() == leaf
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
        assert (daemon.kubeconfig.read_bytes(), files.authority.read_bytes()) == (kubeconfig, authority)


def test_a_custom_pair_for_another_name_is_reported(make_daemon: Callable[..., DaemonProcess], tmp_path: Path) -> None:
    """A custom pair that kube-apiserver would refuse is served, and reported in the log."""
    with make_daemon() as daemon:
        elsewhere = StateFiles(folder=tmp_path / "elsewhere")
        elsewhere.ensure_pair(("other.example",), datetime.now(UTC))
        StateFiles(folder=daemon.state).put_pair(elsewhere.read_pair())
        daemon.wait_for_message("serving a new certificate")
        daemon.wait_for_message("the certificate is not for the name localhost, but for other.example")
        assert readiness(daemon, "certificate").startswith("ok, ")
