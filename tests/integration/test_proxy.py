"""The daemon calls STS through a proxy with CONNECT, and TLS verifies STS's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from authd.emulator.directory.sample import ALICE_KEY
from authd.emulator.process import EmulatorProcess
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.minting import Mint
from tests.integration.rig.settings import UNPROVEN_REGION
from tests.integration.rig.tls_server import connect_proxy


def through(proxy_port: int, emulator: EmulatorProcess) -> dict[str, Any]:
    """Return the section `sts` with the proxy as the only route."""
    return {"caFile": emulator.ca, "proxy": f"http://127.0.0.1:{proxy_port}", "timeout": "5s"}


def test_sts_is_called_through_the_proxy(
    make_daemon: Callable[..., DaemonProcess], emulator: EmulatorProcess, mint: Mint
) -> None:
    """Every call uses a tunnel to STS's host name. Tunnels are reused."""
    with connect_proxy(emulator.port) as (port, asked), make_daemon(sts=through(port, emulator)) as daemon:
        for expires in (61, 62):
            assert daemon.review(mint.by_signer(ALICE_KEY, expires=expires)).user["username"] == "alice"
        assert asked == [
            b"CONNECT sts.us-east-1.amazonaws.com:443 HTTP/1.1\r\nHost: sts.us-east-1.amazonaws.com:443\r\n\r\n"
        ]
        assert "ing factory <" not in daemon.said()  # Twisted's lines about each connection


def test_the_far_end_of_a_tunnel_must_prove_its_name(
    make_daemon: Callable[..., DaemonProcess], emulator: EmulatorProcess, mint: Mint
) -> None:
    """No request is sent through a tunnel to a server with another host's certificate."""
    requests = emulator.counters().requests
    with connect_proxy(emulator.port) as (port, _), make_daemon(sts=through(port, emulator)) as daemon:
        answer = daemon.review(mint.by_signer(ALICE_KEY, region=UNPROVEN_REGION))
    assert answer.status == 502
    assert emulator.counters().requests == requests


def test_a_proxy_that_refuses_is_an_outage(
    make_daemon: Callable[..., DaemonProcess], emulator: EmulatorProcess, mint: Mint
) -> None:
    """If the proxy refuses a tunnel, the review gets 502, neither accepted nor denied."""
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    with connect_proxy(emulator.port, refusal) as (port, _), make_daemon(sts=through(port, emulator)) as daemon:
        answer = daemon.review(mint.by_signer(ALICE_KEY))
    assert answer.status == 502
    assert b"[sts_unreachable, " in answer.body
