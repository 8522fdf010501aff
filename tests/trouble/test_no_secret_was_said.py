"""No output, log or response in the tests of this folder contains a secret. These tests run last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from authd.emulator.directory.sample import ALICE_KEY, FEDERATED_KEY, FEDERATED_TOKEN
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Mint
from tests.trouble.rig.evidence import SearchableEvidence


def test_a_leak_is_found(tmp_path: Path) -> None:
    """The search finds a token's end, a signature, a key and a session token, in a response or a file."""
    collected = SearchableEvidence()
    token = Mint(home=tmp_path, evidence=collected).by_signer((*FEDERATED_KEY, FEDERATED_TOKEN))
    collected.said("one", f'{{"token":"{token}"}}')
    collected.said("another", f"key={FEDERATED_KEY[1]}")
    (tmp_path / "log").write_text("X-Amz-Security-Token=carols%2Bsession%2Ftoken%3D%3D&")
    collected.writes("a file", tmp_path / "log")
    assert collected.leaks() == ["a file shows a session token", "another shows a secret key", "one shows a token"]


def test_no_output_contains_a_secret(
    make_daemon: Callable[..., DaemonProcess], new_token: Callable[..., str], evidence: Evidence
) -> None:
    """Output, responses, metrics, readiness, command line and environment contain no secret of any token."""
    with make_daemon() as daemon:
        for key in (ALICE_KEY, (*FEDERATED_KEY, FEDERATED_TOKEN)):
            daemon.review(new_token(key))
            daemon.review(new_token(key)[:-2])
        for path in ("/metrics", "/readyz", "/livez"):
            daemon.health(path)
        for table in ("cmdline", "environ", "comm"):
            evidence.said(f"the process's {table}", Path(f"/proc/{daemon.process.pid}/{table}").read_bytes())
    secrets, said = evidence.size
    assert secrets > 4
    assert said > 1_000
    assert evidence.leaks() == []
