"""What production takes, the tests take: a normal review goes every short way there is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from authd.emulator.directory.sample import ALICE_KEY
from authd.emulator.kube_apiserver import token_review
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Mint
from tests.integration.rig.settings import settings_text

COUNTING = Path(__file__).parent / "rig" / "run_counting_fast_paths.py"
REVIEWS = 6


@pytest.mark.parametrize("null_time", [True, False], ids=["up to Kubernetes 1.33", "newer"])
def test_a_normal_review_takes_every_short_way(
    tmp_path: Path, evidence: Evidence, sts: dict[str, Any], mint: Mint, *, null_time: bool
) -> None:
    """Request, TokenReview, STS's response and the identity in it are all told by one expression each."""
    counts = tmp_path / "counts"
    launcher = [sys.executable, str(COUNTING), str(counts), "--nodaemon", "--pidfile="]
    daemon = DaemonProcess(tmp_path, evidence, launcher=launcher)
    daemon.settings.write_text(settings_text(sts=sts, healthPort=0))
    with daemon, daemon.client() as client:
        for number in range(REVIEWS):
            answer = client.post(token_review(mint.by_signer(ALICE_KEY, expires=60 + number), null_time=null_time))
            assert answer.user["username"] == "alice"
        daemon.stop()
    assert json.loads(counts.read_text()) == {"request taken": REVIEWS, "response taken": REVIEWS}
