"""The log's field `logger` has fixed words, independent of module names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from authd.emulator.directory.sample import ALICE_KEY
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Mint
from tests.integration.rig.settings import settings_text

#: Part of a message, and its logger.
WRITTEN = {
    "listening on https://": "authd.daemon",
    "wrote the webhook kubeconfig": "authd.kubeconfig",
    "refused a request with 404": "authd.webhook",
    "mappings reloaded": "authd.reload",
}


def test_loggers_have_fixed_names(tmp_path: Path, evidence: Evidence, sts: dict[str, Any], mint: Mint) -> None:
    """Log lines have the documented logger names, and no module path."""
    daemon = DaemonProcess(tmp_path, evidence)
    daemon.settings.write_text(settings_text(sts=sts, healthPort=0))
    with daemon, daemon.client() as client:
        assert client.review(mint.by_signer(ALICE_KEY)).user["username"] == "alice"
        client.request("GET", "/nothing")
        daemon.settings.write_text(settings_text(sts=sts, healthPort=0) + "# changed\n")
        assert {part: daemon.wait_for_message(part)["logger"] for part in WRITTEN} == WRITTEN
        events = daemon.events()
    assert {event["logger"] for event in events if "reference" in event} == {"authd.decisions"}
    ours = {event["logger"] for event in events if event["logger"].startswith("authd")}
    assert all(name.count(".") == 1 for name in ours), ours
