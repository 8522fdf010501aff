"""Full disks, spent descriptors, lost directories, locked-out users: the daemon goes on, and says so in words."""

from __future__ import annotations

import resource
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from authd.emulator.faults import Fault
from authd.emulator.process import EmulatorProcess
from authd.emulator.sample import ALICE_KEY, BOB_KEY
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Mint, bare_environment, script
from tests.integration.rig.polling import GENEROUS_SECONDS, wait_until
from tests.integration.rig.settings import ALICE, settings_text, user


def accepted(daemon: DaemonProcess, token: str) -> bool:
    """Ask about Alice's token; False where the connection is not taken."""
    try:
        return bool(daemon.review(token).user["username"] == "alice")
    except (OSError, ssl.SSLError):
        return False


def test_a_full_disk_under_the_log_stops_nothing(make_daemon: Callable[..., DaemonProcess], mint: Mint) -> None:
    """A daemon that can't write its log starts, serves and ends all the same."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    daemon = make_daemon(process={"arguments": ["--port", str(port)]})
    daemon.launch(log_to=Path("/dev/full"))
    token = mint.by_signer(ALICE_KEY)
    wait_until(lambda: daemon.kubeconfig.exists() and accepted(daemon, token), "a review to be accepted")
    daemon.stop()
    assert daemon.wait() in (0, -signal.SIGTERM)


@pytest.fixture
def spent_descriptors(make_daemon: Callable[..., DaemonProcess]) -> Iterator[DaemonProcess]:
    """Run a daemon that may open three more descriptors than it has open at rest."""
    with make_daemon() as daemon:
        used = max(int(name.name) for name in Path(f"/proc/{daemon.process.pid}/fd").iterdir())
        _, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (used + 4, hard))
        yield daemon


def test_spent_descriptors_are_survived(spent_descriptors: DaemonProcess, mint: Mint) -> None:
    """With all descriptors in use by others the daemon lives on, and serves as soon as some are free."""
    daemon, token = spent_descriptors, mint.by_signer(ALICE_KEY)
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(socket.create_connection(("127.0.0.1", daemon.port), timeout=GENEROUS_SECONDS))
        assert not accepted_or_unavailable(daemon, mint.by_signer(ALICE_KEY, expires=61))
        daemon.wait_for_message("EMFILE")
    wait_until(lambda: accepted(daemon, token), "a review after the flood")
    assert "Traceback" not in daemon.said()


def accepted_or_unavailable(daemon: DaemonProcess, token: str) -> bool:
    """Ask once, in a house without a descriptor to spare: nobody is let in by mistake, and nothing hangs."""
    try:
        answer = daemon.review(token)
    except (OSError, ssl.SSLError):
        return False
    assert answer.status in (200, 502), answer
    return answer.status == 200 and answer.review["status"]["authenticated"]


def test_a_lost_state_directory_is_loud_and_harmless(
    make_daemon: Callable[..., DaemonProcess], mint: Mint, sts: dict[str, Any]
) -> None:
    """Without its state directory the daemon serves and reloads, and readiness names what is missing."""
    with make_daemon() as daemon:
        authority = daemon.kubeconfig.read_bytes()
        shutil.rmtree(daemon.state)
        daemon.hang_up()
        daemon.wait_for_message("the certificate in use goes on serving")
        assert daemon.health("/readyz").status == 503
        assert daemon.review(mint.by_signer(ALICE_KEY)).user["username"] == "alice"
        daemon.settings.write_text(settings_text(sts=sts, users=[user(ALICE, "alice-again")], healthPort=0))
        daemon.wait_for_message("mappings reloaded")
        assert daemon.review(mint.by_signer(ALICE_KEY)).user["username"] == "alice-again"
        assert daemon.kubeconfig.read_bytes() == authority


def run_reload(daemon: DaemonProcess, evidence: Evidence, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [script("authd"), "reload", "-c", str(daemon.settings), "--state-dir", str(daemon.state), *arguments]
    done = subprocess.run(
        command, env=bare_environment(daemon.folder), capture_output=True, text=True, timeout=60, check=False
    )
    evidence.said("authd reload", done.stdout + done.stderr)
    return done


def test_a_reload_that_locks_everyone_out_needs_force(
    make_daemon: Callable[..., DaemonProcess], mint: Mint, sts: dict[str, Any], evidence: Evidence
) -> None:
    """A file without mappings is refused in words, until `authd reload --force` says that it is meant."""
    with make_daemon() as daemon:
        daemon.settings.write_text(settings_text(sts=sts, users=[], roles=[], healthPort=0))
        refusal = daemon.wait_for_message("it would remove every mapping")
        assert "authd reload --force" in refusal["message"]
        assert b"it would remove every mapping" in daemon.health("/readyz").body
        assert daemon.review(mint.by_signer(ALICE_KEY)).user["username"] == "alice"
        assert run_reload(daemon, evidence).returncode == 0
        assert daemon.review(mint.by_signer(ALICE_KEY)).user["username"] == "alice"
        done = run_reload(daemon, evidence, "--force")
        assert done.returncode == 0, done.stderr
        daemon.wait_for_message("mappings reloaded: 0 rules in force")
        assert "[identity_not_mapped, " in daemon.review(mint.by_signer(ALICE_KEY)).error
        assert daemon.health("/readyz").status == 200


def test_a_start_from_the_last_good_settings(
    make_daemon: Callable[..., DaemonProcess], mint: Mint, sts: dict[str, Any]
) -> None:
    """With startFromLastGood a start with a broken file serves the last good one, loud and not ready, until mended."""
    daemon = make_daemon(startFromLastGood=True)
    good = daemon.settings.read_text()
    with daemon:
        pass
    daemon.settings.write_text(good.replace("username: alice", "usrname: alice"))
    with daemon:
        critical = [event["message"] for event in daemon.events() if event["level"] == "critical"]
        assert any("started from the last good settings" in message for message in critical)
        ready = daemon.health("/readyz")
        assert ready.status == 503
        assert b"config.yaml:" in ready.body
        assert daemon.review(mint.by_signer(ALICE_KEY)).user["username"] == "alice"
        daemon.settings.write_text(good)
        daemon.wait_for_message("mappings reloaded")
        assert daemon.health("/readyz").status == 200


def test_a_cached_identity_obeys_the_mapping_at_once(
    make_daemon: Callable[..., DaemonProcess], emulator: EmulatorProcess, sts: dict[str, Any], mint: Mint
) -> None:
    """With cacheTTL the same token costs STS one call, and a mapping that is removed acts at once nevertheless."""
    with make_daemon(sts={**sts, "cacheTTL": "5m"}) as daemon:
        asked, token = emulator.counters().requests, mint.by_signer(ALICE_KEY)
        for _ in range(3):
            assert daemon.review(token).user["username"] == "alice"
        assert emulator.counters().requests == asked + 1
        text = settings_text(sts={**sts, "cacheTTL": "5m"}, users=[], healthPort=0)
        daemon.settings.write_text(text)
        daemon.wait_for_message("mappings reloaded")
        assert "[identity_not_mapped, " in daemon.review(token).error
        assert emulator.counters().requests == asked + 1


def test_while_sts_is_down_a_known_token_passes_if_the_settings_say_so(
    make_daemon: Callable[..., DaemonProcess], emulator: EmulatorProcess, sts: dict[str, Any], mint: Mint
) -> None:
    """With staleIfError a token that STS confirmed lately passes while STS fails, marked in the log; no other does."""
    with make_daemon(sts={**sts, "staleIfError": "5m"}) as daemon:
        token = mint.by_signer(ALICE_KEY)
        assert daemon.review(token).user["username"] == "alice"
        emulator.inject(Fault.UNAVAILABLE)
        assert daemon.review(token).user["username"] == "alice"
        assert daemon.wait_for_event(lambda e: e.get("source") == "stale", "the marked decision")["reason"] == "allowed"
        assert daemon.review(mint.by_signer(ALICE_KEY, expires=61)).status == 502
        assert daemon.review(mint.by_signer(BOB_KEY)).status == 502


def test_an_sts_that_keeps_failing_is_left_alone_and_found_again(
    make_daemon: Callable[..., DaemonProcess], emulator: EmulatorProcess, sts: dict[str, Any], mint: Mint
) -> None:
    """After failures in a row reviews are turned away without asking; when STS is back, so are the logins."""
    with make_daemon(sts=sts) as daemon:
        emulator.inject(Fault.INTERNAL_FAILURE)
        numbers = iter(range(1, 900))

        def status() -> int:
            return daemon.review(mint.by_signer(ALICE_KEY, expires=next(numbers))).status

        wait_until(lambda: status() == 503, "the circuit to open")
        daemon.wait_for_event(lambda e: e.get("reason") == "circuit_open", "the event")
        assert b"authd_sts_circuits_open 1.0" in daemon.health("/metrics").body
        emulator.clear()
        wait_until(lambda: status() == 200, "STS to be asked again")
        assert status() == 200
        assert b"authd_sts_circuits_open 0.0" in daemon.health("/metrics").body
