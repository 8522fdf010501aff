"""A daemon with a mapping that expires: its login, the announcement of its end, and the refusal."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

from authd.core.mapping.validity import time_text
from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.minting import Mint
from tests.integration.rig.polling import wait_until
from tests.integration.rig.settings import ALICE, BOB, user

#: Long enough for a login on a busy machine.
_SECONDS = 15


def test_a_mapping_ends(make_daemon: Callable[..., DaemonProcess], mint: Mint, sts: dict[str, Any]) -> None:
    """A mapping begins and ends at its times without a reload, also for a cached identity."""
    now = int(time.time())
    alice, bob = mint.by_signer(ALICE_KEY, expires=700), mint.by_signer(BOB_KEY, expires=700)

    def outcome(token: str) -> str:
        status = json.loads(daemon.review(token).body)["status"]
        return str(status.get("error") or status["user"]["username"])

    daemon = make_daemon(
        users=[
            {**user(ALICE, "alice"), "validUntil": time_text(now + _SECONDS)},
            {**user(BOB, "bob"), "validFrom": time_text(now + _SECONDS)},
        ],
        roles=[],
        sts={**sts, "cacheTTL": "900s"},
    )
    with daemon:
        assert outcome(alice) == "alice"
        assert f"begins at {time_text(now + _SECONDS)} [identity_not_mapped" in outcome(bob)
        metrics = daemon.health("/metrics").body.decode()
        found = re.search(
            r'^authd_source_next_end_timestamp_seconds{source="MountedFile"} (\S+)$', metrics, re.MULTILINE
        )
        assert float(found[1]) == now + _SECONDS
        assert 'authd_source_ended_rules{source="MountedFile"} 0.0' in metrics
        wait_until(lambda: time.time() >= now + _SECONDS, "the end of the mapping")
        assert f"ended at {time_text(now + _SECONDS)} [identity_not_mapped" in outcome(alice)
        assert outcome(bob) == "bob"
        metrics = daemon.health("/metrics").body.decode()
        assert "authd_source_next_end_timestamp_seconds{source=" not in metrics
        assert 'authd_source_ended_rules{source="MountedFile"} 1.0' in metrics
        assert daemon.health("/readyz").status == 200
