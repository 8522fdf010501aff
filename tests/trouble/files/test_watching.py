"""Without inotify files are polled, and failed attempts leak no descriptors."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet.testing import MemoryReactorClock

from authd.sources.directory_watcher import WRITING_SECONDS, DirectoryWatcher
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.polling import wait_until
from tests.integration.rig.settings import ALICE, user
from tests.trouble.rig.clock import Clock
from tests.trouble.rig.process import Usage
from tests.trouble.rig.reading import readiness


def limited(limit: str) -> list[str]:
    """Return a launcher that sets a limit of user_namespaces(7) to 0. Skips the test if there is no such limit."""
    command = ["unshare", "--user", "--map-root-user", "sh", "-c"]
    command += [f'echo 0 > /proc/sys/user/{limit} && exec "$@"', "sh"]
    done = subprocess.run([*command, "true"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"a limit on inotify needs a user namespace: {done.stderr.decode().strip()}")
    return command


@pytest.mark.parametrize("limit", ["max_inotify_instances", "max_inotify_watches"])
def test_without_inotify_files_are_polled(
    make_daemon: Callable[..., DaemonProcess], tmp_path: Path, settings: Callable[..., str], limit: str
) -> None:
    """At inotify's limits the daemon starts, logs its fallback once, reloads, and leaks no descriptors."""
    launcher = [*limited(limit), *Clock(tmp_path / "clock").launcher]  # polls files every second
    with make_daemon(process={"launcher": launcher}) as daemon:
        assert "can't watch" in daemon.wait_for_message("it is polled every")["message"]
        assert readiness(daemon, "settings") == "ok"  # after that the reactor has opened its descriptors
        before = Usage.of(daemon.process.pid).descriptors
        for number in range(1, 4):
            count = len(daemon.events())
            daemon.settings.write_text(settings(users=[user(ALICE, f"alice-{number}")]))
            daemon.wait_for_message("mappings reloaded: 3 rules", count)
        assert readiness(daemon, "settings") == "ok"
        said = [event["message"] for event in daemon.events() if "can't watch" in event["message"]]
        assert len(said) == len(set(said))
        wait_until(lambda: Usage.of(daemon.process.pid).descriptors <= before, "as many descriptors as before", 10)


def test_temporary_files_cause_no_reload(tmp_path: Path) -> None:
    """Failed writes on a full disk don't cause reads of the settings. A renamed file does."""
    reactor, told = MemoryReactorClock(), []
    watcher = DirectoryWatcher(reactor, tmp_path / "cert.pem", lambda: told.append(True))
    watcher.start()

    def let_it_settle() -> None:
        for reader in list(reactor.readers):
            reader.doRead()
        reactor.advance(WRITING_SECONDS)

    temporary = tmp_path / ".cert.pem.x7y"
    temporary.write_bytes(b"")
    temporary.unlink()
    let_it_settle()
    assert not told
    temporary.write_bytes(b"new")
    temporary.replace(tmp_path / "cert.pem")
    let_it_settle()
    assert told
    told.clear()
    (tmp_path / "..data_tmp").symlink_to("somewhere")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    let_it_settle()
    assert told
    watcher.stop()
