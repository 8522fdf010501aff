"""The disk is full or read-only: logins continue, and failed writes are logged and repeated later."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from authd.emulator.directory.sample import ALICE_KEY
from authd.state.certificate_store import StateFiles
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.polling import wait_until
from tests.integration.rig.settings import ALICE, BOB, user
from tests.trouble.files.test_certificate_renewal import HOSTS, issue_long_ago, issue_time_for
from tests.trouble.rig.mounts import SmallDisk
from tests.trouble.rig.reading import LET_IN, metric, outcome, readiness


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk.mounted(tmp_path / "daemon0") as disk:
        yield disk


@pytest.fixture
def state_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk.mounted(tmp_path / "daemon0" / "state") as disk:
        yield disk


def readable_pair(daemon: DaemonProcess) -> tuple[bytes, bytes]:
    files = StateFiles(folder=daemon.state)
    return files.certificate.read_bytes(), files.key.read_bytes()


def test_logins_on_a_full_disk(
    small_disk: SmallDisk,
    make_daemon: Callable[..., DaemonProcess],
    settings: Callable[..., str],
    new_token: Callable[..., str],
) -> None:
    """With settings, state and log on a full disk, logins continue. Log, renewal and last good settings follow later."""
    with make_daemon() as daemon, daemon.client() as client:
        files = StateFiles(folder=daemon.state)
        authority = files.read_authority()
        hidden = files.authority_key.rename(daemon.state / "hidden")  # prevents renewal for now
        files.issue_leaf(authority, HOSTS, issue_time_for(5))
        daemon.wait_for_message("serving a new certificate")
        new_settings = daemon.settings.with_name("new.yaml")
        new_settings.write_text(settings(scrubbedAccounts=["999999999999"]))
        os.link(daemon.settings, daemon.settings.with_name("old.yaml"))  # keeps its space used when it is replaced
        kept, pair = files.last_good.read_bytes(), readable_pair(daemon)
        small_disk.fill_up()

        hidden.rename(files.authority_key)
        daemon.hang_up()
        wait_until(lambda: "No space left on device" in readiness(daemon, "certificate"), "the renewal to fail")
        new_settings.replace(daemon.settings)
        wait_until(lambda: metric(daemon, 'authd_reloads_total{result="ok"}'), "the new settings to be in force")
        for _ in range(30):  # their log lines exceed the rest of its last page
            assert outcome(client.review(new_token(ALICE_KEY))) == LET_IN
        assert files.last_good.read_bytes() == kept
        assert readable_pair(daemon) == pair
        assert not [file for file in daemon.state.iterdir() if file.name.startswith(".")]

        small_disk.free()
        count = len(daemon.events())
        daemon.hang_up()
        daemon.wait_for_message("serving a new certificate", count)
        assert readiness(daemon, "certificate").startswith("ok, ")
        assert outcome(client.review(new_token(ALICE_KEY))) == LET_IN
        assert daemon.decision(daemon.events()[-1].get("reference", ""))["decision"] == "allowed"
        daemon.wait_for_message("can't be kept")


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_start_needs_no_space(
    state_disk: SmallDisk, make_daemon: Callable[..., DaemonProcess], new_token: Callable[..., str], trouble: str
) -> None:
    """A daemon starts with a state directory on a full or read-only disk, and logs failed writes."""
    daemon = make_daemon()
    with daemon:
        daemon.review(new_token(ALICE_KEY))
    issue_long_ago(StateFiles(folder=daemon.state), days_left=-1)
    StateFiles(folder=daemon.state).last_good.unlink()
    pair = readable_pair(daemon)
    (state_disk.fill_up if trouble == "full" else state_disk.make_read_only)()
    with daemon:
        reason = "No space left on device" if trouble == "full" else "Read-only file system"
        assert reason in daemon.wait_for_message("the last good settings can't be kept")["message"]
        assert reason in daemon.wait_for_message("the current certificate stays in use")["message"]
        assert readiness(daemon, "certificate").startswith("expired at ")
        assert readable_pair(daemon) == pair
        (state_disk.free if trouble == "full" else state_disk.make_writable)()
        daemon.hang_up()
        daemon.wait_for_message("serving a new certificate")
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
        assert readiness(daemon, "certificate").startswith("ok, ")


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_start_without_space_for_the_kubeconfig(
    state_disk: SmallDisk, make_daemon: Callable[..., DaemonProcess], new_token: Callable[..., str], trouble: str
) -> None:
    """An outdated kubeconfig that can't be written is logged, and rewritten once it can."""
    arguments = ["--generate-kubeconfig", str(state_disk.folder / "kubeconfig.yaml")]
    daemon = make_daemon(process={"arguments": arguments})
    daemon.kubeconfig = state_disk.folder / "kubeconfig.yaml"
    with daemon:
        before = daemon.kubeconfig.read_bytes()
    os.link(daemon.kubeconfig, daemon.kubeconfig.with_name("old.yaml"))  # keeps its space used when it is replaced
    (state_disk.fill_up if trouble == "full" else state_disk.make_read_only)()
    with daemon:  # with another port
        reason = "No space left on device" if trouble == "full" else "Read-only file system"
        assert reason in readiness(daemon, "kubeconfig")
        assert daemon.health("/readyz").status == 503
        assert daemon.kubeconfig.read_bytes() == before
        (state_disk.free if trouble == "full" else state_disk.make_writable)()
        daemon.hang_up()
        daemon.wait_for_message("has changed: restart kube-apiserver")
        assert readiness(daemon, "kubeconfig") == "ok"
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN


def test_a_first_start_without_space_ends_with_a_message(
    state_disk: SmallDisk, make_daemon: Callable[..., DaemonProcess]
) -> None:
    """Without a certificate and space for one, the start fails with the reason, and a later start succeeds."""
    daemon = make_daemon()
    state_disk.fill_up()
    daemon.launch()
    assert daemon.wait() == 2
    assert "certificates can't be made here: No space left on device" in daemon.said()
    assert "Traceback" not in daemon.said()
    state_disk.free()
    with daemon:
        assert readiness(daemon, "certificate").startswith("ok, ")


#: Blocks every fsync of a Python process while a file exists, as with a hanging disk.
_HANGING_DISK = """
import os, time
fsync = os.fsync
def waiting(descriptor):
    while os.path.exists({hang!r}):
        time.sleep(0.02)
    fsync(descriptor)
os.fsync = waiting
"""


def test_a_hanging_disk_does_not_block_logins(
    make_daemon: Callable[..., DaemonProcess],
    settings: Callable[..., str],
    new_token: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """While the last good settings wait for the disk, mappings change and logins continue. The newest are kept later."""
    folder = tmp_path_factory.mktemp("disk")
    hang = folder / "hang"
    (folder / "sitecustomize.py").write_text(_HANGING_DISK.format(hang=str(hang)))
    with make_daemon(users=[], process={"environment": {"PYTHONPATH": str(folder)}}) as daemon:
        last_good = StateFiles(folder=daemon.state).last_good
        before = last_good.read_bytes()
        hang.touch()
        for count, users in enumerate(([user(BOB, "bob")], [user(ALICE, "alice")]), start=1):
            daemon.settings.write_text(settings(users=users))
            wait_until(lambda n=count: metric(daemon, 'authd_reloads_total{result="ok"}') == n, "the new settings")
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
        assert last_good.read_bytes() == before
        hang.unlink()
        wait_until(lambda: last_good.read_bytes() == daemon.settings.read_bytes(), "the newest of them")


def test_a_removed_state_directory(make_daemon: Callable[..., DaemonProcess], new_token: Callable[..., str]) -> None:
    """A removed state directory is reported, and a recreated one is used."""
    with make_daemon() as daemon:
        away = daemon.state.with_name("away")
        daemon.state.rename(away)
        daemon.hang_up()
        daemon.wait_for_message("the current certificate stays in use")
        assert "No such file" in readiness(daemon, "certificate")
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
        daemon.state.mkdir(exist_ok=True)
        for file in filter(Path.is_file, away.iterdir()):
            (daemon.state / file.name).write_bytes(file.read_bytes())
        daemon.hang_up()
        wait_until(lambda: readiness(daemon, "certificate").startswith("ok, "), "readiness")
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
