"""Failed starts, a shutdown during a review, and restarts under load."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from authd.emulator.directory.sample import ALICE_KEY
from authd.emulator.faults.plan import Fault
from authd.emulator.process import EmulatorProcess
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.load import Check, Load
from tests.integration.rig.minting import Mint
from tests.integration.rig.polling import wait_until
from tests.integration.rig.settings import settings_text
from tests.integration.rig.webhook_client import Response

LAUNCHER = Path(__file__).parent / "rig" / "launch_as_systemd_does.py"


def failed_start(daemon: DaemonProcess) -> tuple[int, str]:
    """Start a daemon that fails. Returns its exit status and its output, which has no traceback."""
    status = daemon.launch().wait()
    said = daemon.said()
    assert status != 0, said
    assert "Traceback" not in said
    assert "listening on" not in said
    return status, said


def test_bad_settings_end_the_start_with_every_error(make_daemon: Callable[..., DaemonProcess]) -> None:
    """A start with broken settings exits with every error and its line."""
    text = "clusterID: a b\\tc\nserver:\n  prot: 1\n  mapUsers:\n  - userARN: nonsense\n    username: alice\n"
    daemon = make_daemon(text=text)
    status, _ = failed_start(daemon)
    assert status == 2
    critical = [event["message"] for event in daemon.events() if event["level"] == "critical"]
    assert [message.split(": ")[0].removeprefix(str(daemon.settings)) for message in critical] == [":3:3", ":5:14"]
    assert "port" in critical[0]


def test_a_missing_settings_file_ends_the_start(make_daemon: Callable[..., DaemonProcess]) -> None:
    """A start without a settings file exits and names the missing file."""
    daemon = make_daemon()
    daemon.settings.unlink()
    _, said = failed_start(daemon)
    assert f"{daemon.settings}: the settings file can't be read: No such file or directory" in said


@pytest.mark.parametrize("which", ["--port", "healthPort"])
def test_a_taken_port_ends_the_start(make_daemon: Callable[..., DaemonProcess], which: str) -> None:
    """A start on a port in use exits and names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        if which == "--port":
            daemon = make_daemon(process={"arguments": ["--port", str(port)]})
        else:
            daemon = make_daemon(healthPort=port)
        _, said = failed_start(daemon)
    assert str(port) in said
    assert "Address already in use" in said


def test_a_state_directory_that_cannot_be_made_ends_the_start(make_daemon: Callable[..., DaemonProcess]) -> None:
    """A start without a usable state directory exits and names the directory."""
    daemon = make_daemon()
    daemon.state.write_text("a file stands where the directory should be")
    status, said = failed_start(daemon)
    assert status == 2
    assert str(daemon.state) in said
    assert "certificates can't be made here" in said


def test_a_broken_certificate_ends_the_start(make_daemon: Callable[..., DaemonProcess]) -> None:
    """A start with a broken custom certificate exits and names it."""
    daemon = make_daemon()
    daemon.state.mkdir()
    (daemon.state / "cert.pem").write_text("no certificate")
    (daemon.state / "key.pem").write_text("no key")
    status, said = failed_start(daemon)
    assert status == 2
    assert "cert.pem and its key key.pem can't be used" in said


def test_an_unreadable_sts_authority_ends_the_start(
    make_daemon: Callable[..., DaemonProcess], sts: dict[str, Any]
) -> None:
    """A start with an unreadable caFile exits and names it."""
    status, said = failed_start(make_daemon(sts={**sts, "caFile": "/nonexistent/ca.pem"}))
    assert status == 2
    assert "/nonexistent/ca.pem: the certificate authorities for STS can't be read: No such file or directory" in said


def test_a_kubeconfig_that_cannot_be_written_ends_the_start(make_daemon: Callable[..., DaemonProcess]) -> None:
    """A start that can't write the kubeconfig exits with the next step."""
    daemon = make_daemon()
    daemon.kubeconfig.mkdir()
    status, said = failed_start(daemon)
    assert status == 2
    assert f"{daemon.kubeconfig}: the webhook kubeconfig can't be written" in said
    assert "server.kubeconfigPregenerated" in said


def test_keys_and_kubeconfig_are_private(make_daemon: Callable[..., DaemonProcess]) -> None:
    """The daemon's files except certificates are readable only by their owner, and survive a restart."""
    daemon = make_daemon()
    with daemon:
        pass
    files = {path.name: path for path in daemon.state.iterdir()}
    modes = {name: stat.S_IMODE(path.stat().st_mode) for name, path in files.items()}
    assert {name for name, mode in modes.items() if mode != 0o600} == {"cert.pem", "ca.pem"}
    assert {"ca-key.pem", "key.pem"} <= set(modes)
    assert stat.S_IMODE(daemon.state.stat().st_mode) == 0o700
    assert stat.S_IMODE(daemon.kubeconfig.stat().st_mode) == 0o600
    before = {name: path.read_bytes() for name, path in files.items()}
    with daemon:
        pass
    assert {name: path.read_bytes() for name, path in files.items()} == before


def test_a_review_under_way_is_answered_at_the_end(
    make_daemon: Callable[..., DaemonProcess], emulator: EmulatorProcess, mint: Mint
) -> None:
    """After SIGTERM the daemon answers a pending review, then shuts down."""
    daemon = make_daemon().start()
    asked = emulator.counters().requests
    emulator.inject(Fault.DELAY, times=1, seconds=2)
    with ThreadPoolExecutor(1) as pool:
        review = pool.submit(daemon.review, mint.by_signer(ALICE_KEY))
        wait_until(lambda: emulator.counters().requests > asked, "the review to reach STS")
        daemon.process.send_signal(signal.SIGTERM)
        answer = review.result()
    assert answer.user["username"] == "alice"
    assert answer.headers["Connection"] == "close"
    daemon.wait()
    assert daemon.ended_well()
    assert "Traceback" not in daemon.said()


def test_an_idle_daemon_ends_without_errors(make_daemon: Callable[..., DaemonProcess], mint: Mint) -> None:
    """A daemon with idle connections shuts down without an error in its log."""
    daemon = make_daemon().start()
    with daemon.client() as client:
        assert client.review(mint.by_signer(ALICE_KEY)).user["username"] == "alice"
        daemon.stop()
    assert daemon.ended_well()
    alarming = [event for event in daemon.events() if event["level"] != "info"]
    assert all("role's path" in event["message"] for event in alarming)  # one of the mapping rules has a path


@pytest.mark.parametrize("again", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_during_the_end_is_ignored(
    make_daemon: Callable[..., DaemonProcess], mint: Mint, again: signal.Signals
) -> None:
    """A signal while the daemon shuts down, such as a second Ctrl-C, changes nothing and logs no error."""
    daemon = make_daemon().start()
    with daemon.client() as client:
        client.review(mint.by_signer(ALICE_KEY))  # the idle connection delays the end by a second
        daemon.process.send_signal(signal.SIGTERM)
        daemon.wait_for_message("Received SIGTERM")
        daemon.wait_for_message("Closed)")
        daemon.process.send_signal(again)
        daemon.wait()
    assert daemon.ended_well()
    assert "Traceback" not in daemon.said()


def _alice_only(_: str) -> Check:
    def check(answer: Response) -> None:
        assert answer.user["username"] == "alice"

    return check


@pytest.mark.parametrize("fresh", [True, False], ids=["new connections", "kept connections"])
def test_a_restart_through_the_services_socket_refuses_nobody(
    make_daemon: Callable[..., DaemonProcess],
    mint: Mint,
    fresh: bool,
) -> None:
    """With the service manager's socket, restarts under load lose no review and refuse no connection."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as held:
        launcher = [sys.executable, str(LAUNCHER), str(held.fileno())]
        daemon = make_daemon(process={"launcher": launcher, "pass_fds": [held.fileno()]})
        daemon.start()
        assert daemon.port == held.getsockname()[1]
        token = mint.by_signer(ALICE_KEY, expires=600)
        with Load(daemon.client, [token], _alice_only, fresh=fresh) as load:
            for _ in range(2):
                load.wait_for_responses(30)
                daemon.stop()
                assert daemon.ended_well()
                daemon.start()
            load.wait_for_responses(30)


def test_sockets_for_another_process_are_ignored(make_daemon: Callable[..., DaemonProcess]) -> None:
    """Sockets passed to another process are not used."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        environment = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
        with make_daemon(process={"environment": environment, "pass_fds": [held.fileno()]}) as daemon:
            assert daemon.port != held.getsockname()[1]


def test_notifications_to_the_service_manager(make_daemon: Callable[..., DaemonProcess], tmp_path: Path) -> None:
    """READY=1 is sent when the port is bound, WATCHDOG=1 while the reactor runs, STOPPING=1 at the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
        daemon = make_daemon(process={"environment": environment}).start()
        assert manager.recv(100) == b"READY=1"
        assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        daemon.stop()
        manager.settimeout(0)
        said = []
        while True:
            try:
                said.append(manager.recv(100))
            except BlockingIOError:
                break
    assert said[-1] == b"STOPPING=1"


def test_options_override_the_file(make_daemon: Callable[..., DaemonProcess], mint: Mint, sts: dict[str, Any]) -> None:
    """Command line options replace settings."""
    arguments = ["--cluster-id", "other.example.com", "--kubeconfig-pregenerated", "--address", "127.0.0.1"]
    daemon = make_daemon(text=settings_text(sts=sts, healthPort=0, address="::1"), process={"arguments": arguments})
    with daemon:
        assert not daemon.kubeconfig.exists()
        daemon.kubeconfig.write_bytes(kubeconfig_for(daemon))
        assert daemon.review(mint.by_signer(ALICE_KEY, cluster="other.example.com")).user["username"] == "alice"


def kubeconfig_for(daemon: DaemonProcess) -> bytes:
    from authd.state.kubeconfig import webhook_kubeconfig

    authority = (daemon.state / "ca.pem").read_bytes()
    return webhook_kubeconfig(host="localhost", port=daemon.port, authority_pem=authority)
