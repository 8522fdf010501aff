"""A settings file that would lock users out comes into force only if it is forced."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY
from authd.emulator.process import EmulatorProcess
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import bare_environment, script
from tests.integration.rig.settings import ADMIN, ALICE, BOB, role, user
from tests.trouble.rig.reading import LET_IN, metric, outcome, readiness
from tests.trouble.rig.sessions import assume

NOT_MAPPED = (200, "identity_not_mapped")


def force(daemon: DaemonProcess, evidence: Evidence) -> None:
    """Run `authd reload --force` for a daemon's file."""
    command = [script("authd"), "reload", "--force", "-c", str(daemon.settings), "--state-dir", str(daemon.state)]
    environment = bare_environment(daemon.folder)
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    evidence.said("authd reload", done.stdout + done.stderr)
    assert done.returncode == 0, done.stderr


def test_removing_every_mapping_must_be_forced(
    make_daemon: Callable[..., DaemonProcess],
    settings: Callable[..., str],
    new_token: Callable[..., str],
    evidence: Evidence,
) -> None:
    """A file without mappings is refused with a log message at each check, until it is forced."""
    with make_daemon() as daemon:
        daemon.settings.write_text(settings(users=[], roles=[]))
        daemon.wait_for_message("the new mappings were refused, since it would remove every mapping")
        assert "authd reload --force" in readiness(daemon, "settings")
        assert daemon.health("/readyz").status == 503
        daemon.hang_up()
        assert outcome(daemon.review(new_token(ALICE_KEY))) == LET_IN
        assert metric(daemon, 'authd_reloads_total{result="refused"}') == 1

        force(daemon, evidence)
        daemon.wait_for_message("mappings reloaded: 0 rules")
        assert outcome(daemon.review(new_token(ALICE_KEY))) == NOT_MAPPED
        assert daemon.health("/readyz").status == 200


def test_locking_out_most_known_identities_must_be_forced(
    make_daemon: Callable[..., DaemonProcess],
    emulator: EmulatorProcess,
    settings: Callable[..., str],
    new_token: Callable[..., str],
    evidence: Evidence,
) -> None:
    """The log names the identities that would be locked out. A repaired or forced file is accepted."""
    sessions = assume(emulator, ADMIN, 10)
    with make_daemon(maxLockoutShare=0.5) as daemon, daemon.client() as client:
        for key in (*sessions, ALICE_KEY, BOB_KEY):
            assert outcome(client.review(new_token(key))) == LET_IN
        without_admins = settings(roles=[], maxLockoutShare=0.5)
        daemon.settings.write_text(without_admins)
        daemon.wait_for_message("it would lock out 10 of the 12 identities of the last hour")
        named = [event["canonical_arn"] for event in daemon.events() if "would be locked out" in event["message"]]
        assert named == [ADMIN]
        assert outcome(client.review(new_token(sessions[0]))) == LET_IN

        count = len(daemon.events())
        few_go = settings(users=[user(ALICE, "alice")], roles=[role(ADMIN, "admin")], maxLockoutShare=0.5)
        daemon.settings.write_text(few_go)
        daemon.wait_for_message("mappings reloaded: 2 rules", count)
        assert readiness(daemon, "settings") == "ok"
        assert outcome(client.review(new_token(BOB_KEY))) == NOT_MAPPED

        daemon.settings.write_text(without_admins)
        daemon.wait_for_message("it would lock out 10 of the 11", count)
        force(daemon, evidence)
        daemon.wait_for_message("mappings reloaded: 3 rules", count)
        assert outcome(client.review(new_token(sessions[0]))) == NOT_MAPPED
        assert outcome(client.review(new_token(BOB_KEY))) == LET_IN
        assert BOB in daemon.said()


def test_a_file_that_switches_the_guard_off_is_accepted(
    make_daemon: Callable[..., DaemonProcess], settings: Callable[..., str]
) -> None:
    """The setting in the new file switches the guard off."""
    with make_daemon() as daemon:
        daemon.settings.write_text(settings(users=[], roles=[], maxLockoutShare="off"))
        daemon.wait_for_message("mappings reloaded: 0 rules")


def test_only_the_forced_content_is_accepted(
    make_daemon: Callable[..., DaemonProcess], settings: Callable[..., str], evidence: Evidence
) -> None:
    """Forcing one content does not allow another one."""
    with make_daemon() as daemon:
        text = daemon.settings.read_text()
        force(daemon, evidence)
        daemon.settings.write_text(settings(users=[], roles=[]))
        daemon.wait_for_message("would remove every mapping")
        daemon.settings.write_text(text)
        daemon.wait_for_message("mappings reloaded")
