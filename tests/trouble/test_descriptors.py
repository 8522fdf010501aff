"""Descriptors run out: open connections are served, and everything recovers once descriptors are free."""

from __future__ import annotations

import resource
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.polling import wait_until
from tests.integration.rig.settings import BOB, user
from tests.trouble.rig.clock import Clock
from tests.trouble.rig.process import Usage
from tests.trouble.rig.reading import LET_IN, LOST, outcome, readiness

#: The free descriptors before the attack, and the connections that need one.
_LEFT, _GREEDY = 10, 60


def test_a_daemon_without_descriptors_recovers(
    make_daemon: Callable[..., DaemonProcess],
    tmp_path: Path,
    settings: Callable[..., str],
    new_token: Callable[..., str],
) -> None:
    """Without free descriptors, open connections get responses and the mappings stay. Afterwards everything works."""
    daemon = make_daemon(process={"launcher": Clock(tmp_path / "clock").launcher})  # polls files every second
    with daemon, daemon.client() as connected, ExitStack() as stack:
        pid = daemon.process.pid
        daemon.health("/livez")  # after a response the daemon has opened all its descriptors
        at_rest = Usage.of(pid).descriptors
        assert outcome(connected.review(new_token(ALICE_KEY))) == LET_IN
        limit = Usage.of(pid).descriptors + _LEFT
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, limit))
        for _ in range(_GREEDY):
            stack.enter_context(socket.create_connection(("127.0.0.1", daemon.port)))
        wait_until(lambda: Usage.of(pid).descriptors >= limit - 1, "the descriptors to be used up")

        daemon.settings.write_text(settings(users=[user(BOB, "bob")]))
        # The call to STS reuses an idle connection, or fails without a free descriptor.
        assert outcome(connected.review(new_token(ALICE_KEY))) in (LET_IN, LOST)
        stack.close()

        daemon.wait_for_message("mappings reloaded: 3 rules")
        wait_until(lambda: readiness(daemon, "settings") == "ok", "readiness")
        wait_until(lambda: outcome(daemon.review(new_token(BOB_KEY))) == LET_IN, "a new connection to be served")
        assert outcome(connected.review(new_token(ALICE_KEY))) == (200, "identity_not_mapped")
        wait_until(lambda: Usage.of(pid).descriptors <= at_rest + 1, "the descriptors to come back")
        assert not [event for event in daemon.events() if "traceback" in event]
