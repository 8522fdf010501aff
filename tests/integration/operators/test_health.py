"""The health port's responses. It listens on loopback only."""

from __future__ import annotations

from collections.abc import Callable

from authd.emulator.directory.sample import ALICE_KEY, MALLORY_KEY
from authd.emulator.faults.plan import Fault
from authd.emulator.process import EmulatorProcess
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.minting import Mint


def test_liveness_and_readiness(daemon: DaemonProcess) -> None:
    """A running daemon is alive and ready, and lists its checks."""
    assert daemon.health("/livez").body == b"ok\n"
    assert daemon.health("/healthz").body == b"ok\n"
    ready = daemon.health("/readyz")
    assert ready.status == 200
    lines = ["settings: ok", "certificate: ok, 90.0 days left", "kubeconfig: ok", "port: ok", "sts: ok"]
    *others, reviews, verdict = ready.body.decode().splitlines()
    assert (others, verdict) == ([f"[+] {line}" for line in lines], "ready")
    assert reviews.startswith("[+] reviews: ok, ")
    assert daemon.health("/nothing").status == 404


def figures(daemon: DaemonProcess) -> dict[str, float]:
    """Return the metrics by name and labels."""
    lines = daemon.health("/metrics").body.decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_each_kind_of_decision_is_counted(
    make_daemon: Callable[..., DaemonProcess], emulator: EmulatorProcess, mint: Mint
) -> None:
    """Decisions, STS's responses and invalid requests are counted by name. No label is from a token."""
    with make_daemon() as daemon:
        daemon.review(mint.by_signer(ALICE_KEY))
        daemon.review(mint.by_signer(MALLORY_KEY))
        daemon.review("some-other-token")
        emulator.inject(Fault.THROTTLE, times=1)
        daemon.review(mint.by_signer(ALICE_KEY, expires=99))
        with daemon.client() as client:
            client.request("GET", "/authenticate")
        counted = figures(daemon)
    for reason in ("allowed", "identity_not_mapped", "foreign_token", "sts_throttled"):
        assert counted[f'authd_decisions_total{{reason="{reason}"}}'] == 1
    assert counted['authd_sts_calls_total{outcome="ok"}'] == 2
    assert counted['authd_sts_calls_total{outcome="sts_throttled"}'] == 1
    assert counted['authd_refused_requests_total{status="405"}'] == 1
    assert counted["authd_mapping_rules"] == 4
    assert counted["authd_certificate_expiry_seconds"] > 80 * 86_400
    assert not [name for name in counted if "111122223333" in name or ALICE_KEY[0] in name]
