"""Starts with a broken settings file: with the last good settings if enabled, otherwise not at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY
from authd.state.certificate_store import StateFiles
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.settings import ALICE, BOB, user
from tests.trouble.rig.reading import LET_IN, outcome, readiness

ALICE_ALONE = [user(ALICE, "alice")]
NOT_MAPPED = (200, "identity_not_mapped")


@pytest.fixture
def served_before(
    make_daemon: Callable[..., DaemonProcess], settings: Callable[..., str]
) -> Callable[..., DaemonProcess]:
    """Make a daemon that has served mappings for Alice only and now has a broken settings file.

    With `started` it has really run. Otherwise its files are written directly.
    """

    def make(*, started: bool = False, **server: object) -> DaemonProcess:
        daemon = make_daemon(users=ALICE_ALONE, **server)
        if started:
            with daemon:
                pass
        else:
            daemon.state.mkdir()
            StateFiles(folder=daemon.state).last_good.write_bytes(daemon.settings.read_bytes())
        text = settings(users=[user(BOB, "bob")], **server)
        daemon.settings.write_text(text.replace("mapUsers:", "mapUserz:"))
        return daemon

    return make


def test_the_last_good_settings_are_used_and_reported(
    served_before: Callable[..., DaemonProcess], settings: Callable[..., str], new_token: Callable[..., str]
) -> None:
    """With startFromLastGood the last good mappings apply until the file is repaired. /readyz reports the error."""
    with served_before(started=True, startFromLastGood=True) as daemon:
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
        assert outcome(daemon.review(new_token(BOB_KEY))) == NOT_MAPPED
        daemon.wait_for_message("started from the last good settings")
        daemon.wait_for_message("mapUserz")
        assert daemon.health("/readyz").status == 503
        complaint = readiness(daemon, "settings")
        assert complaint.startswith("the last good mappings are in force: ")
        assert f"{daemon.settings}:" in complaint
        assert daemon.health("/livez").status == 200

        daemon.settings.write_text(settings(users=[user(ALICE, "alice"), user(BOB, "bob")], startFromLastGood=True))
        daemon.wait_for_message("mappings reloaded")
        assert outcome(daemon.review(new_token(BOB_KEY))) == LET_IN
        assert daemon.health("/readyz").status == 200


def test_a_broken_file_is_never_kept_as_good(
    served_before: Callable[..., DaemonProcess], new_token: Callable[..., str]
) -> None:
    """Every start uses the last file that was in force."""
    daemon = served_before(startFromLastGood=True)
    for _ in range(2):
        with daemon:
            assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN


def test_the_last_good_file_replaces_a_missing_one(
    served_before: Callable[..., DaemonProcess], new_token: Callable[..., str]
) -> None:
    """If the file is missing, the last good one is used."""
    daemon = served_before(startFromLastGood=True)
    daemon.settings.unlink()
    with daemon:
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
        assert "No such file" in readiness(daemon, "settings")


def test_without_the_setting_the_start_ends_with_the_errors(served_before: Callable[..., DaemonProcess]) -> None:
    """By default a broken file ends the start with status 2 and the line of every error, despite a last good file."""
    daemon = served_before()
    daemon.launch()
    assert daemon.wait() == 2
    said = daemon.said()
    assert f"{daemon.settings}:" in said
    assert "mapUserz" in said
    assert "Traceback" not in said


def test_a_broken_last_good_file(served_before: Callable[..., DaemonProcess]) -> None:
    """If the last good settings are unusable too, the start fails with the errors of the settings file."""
    daemon = served_before(startFromLastGood=True)
    StateFiles(folder=daemon.state).last_good.write_text("nonsense: [")
    daemon.launch()
    assert daemon.wait() == 2
    assert "mapUserz" in daemon.said()
    assert "nonsense" not in daemon.said()
