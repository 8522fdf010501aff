"""STS is unreachable: no listener, an unknown name, or a server without STS's certificate."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.settings import UNPROVEN_REGION
from tests.trouble.rig.crowd import Crowd
from tests.trouble.rig.process import Usage
from tests.trouble.rig.reading import LATE, LET_IN, LOST, OPEN, metric, outcome

#: A name that never exists. See RFC 6761.
NOWHERE = "sts.nowhere.invalid"
#: Makes glibc's resolver give up quickly, even without a reachable server. See resolv.conf(5).
IMPATIENT_RESOLVER = {"RES_OPTIONS": "timeout:1 attempts:1", "LOCALDOMAIN": ""}
#: Makes look-ups of `NOWHERE` hang.
HANGING_RESOLVER = f"""
import socket, time
look_up = socket.getaddrinfo
def hanging(host, *rest, **more):
    if host == {NOWHERE!r}:
        time.sleep(3600)
    return look_up(host, *rest, **more)
socket.getaddrinfo = hanging
"""

CLOSED, UNTRUSTED = "sts.us-east-2.amazonaws.com", "sts.us-west-2.amazonaws.com"
#: The arguments for tokens, by the obstacle.
WAYS: dict[str, dict[str, str]] = {
    "nobody listens": {"region": "us-east-2"},
    "no such name": {"host": NOWHERE},
    "another host's certificate": {"region": UNPROVEN_REGION},
    "an untrusted authority": {"region": "us-west-2"},
}


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of loopback on which nobody can listen during the test."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def cut_off(make_daemon: Callable[..., DaemonProcess], sts: dict[str, Any], closed_port: int) -> DaemonProcess:
    """A daemon that can reach only some hosts."""
    endpoints = {endpoint["host"]: dict(endpoint) for endpoint in sts["endpoints"]}
    endpoints[CLOSED]["connect"] = f"127.0.0.1:{closed_port}"
    endpoints[NOWHERE] = {"host": NOWHERE, "signingRegion": "us-east-1"}
    endpoints[UNTRUSTED]["caFile"] = "/etc/ssl/certs/ca-certificates.crt"
    section = {**sts, "endpoints": list(endpoints.values()), "timeout": "10s"}
    return make_daemon(sts=section, process={"environment": IMPATIENT_RESOLVER})


def test_an_unreachable_host_is_an_outage(cut_off: DaemonProcess, new_token: Callable[..., str]) -> None:
    """An unreachable or unverified host gives 502, without and with load. Other hosts are not affected."""
    with cut_off, Crowd(cut_off, 16) as crowd:
        crowd.ask([new_token(ALICE_KEY) for _ in range(16)])
        at_rest = Usage.of(cut_off.process.pid).descriptors
        for where in WAYS.values():
            assert outcome(cut_off.review(new_token(ALICE_KEY, **where))) == LOST
            outcomes = {outcome(answer) for answer in crowd.ask([new_token(BOB_KEY, **where) for _ in range(48)])}
            assert LOST in outcomes
            assert outcomes <= {LOST, OPEN, LATE}
            assert outcome(cut_off.review(new_token(ALICE_KEY))) == LET_IN
        assert metric(cut_off, "authd_sts_circuits_open") == len(WAYS)
        assert metric(cut_off, 'authd_sts_calls_total{outcome="sts_unreachable"}') >= len(WAYS)
        assert Usage.of(cut_off.process.pid).descriptors <= at_rest + 2
        assert not [event for event in cut_off.events() if "traceback" in event]


def test_a_hanging_look_up_does_not_hold_up_the_end(
    make_daemon: Callable[..., DaemonProcess], sts: dict[str, Any], new_token: Callable[..., str], tmp_path: Path
) -> None:
    """After SIGTERM the daemon ends, even if a look-up of a host name hangs."""
    (tmp_path / "sitecustomize.py").write_text(HANGING_RESOLVER)
    section = {**sts, "endpoints": [*sts["endpoints"], {"host": NOWHERE, "signingRegion": "us-east-1"}]}
    with make_daemon(sts=section, process={"environment": {"PYTHONPATH": str(tmp_path)}}) as daemon:
        assert outcome(daemon.review(new_token(ALICE_KEY, host=NOWHERE))) == LATE
        daemon.stop()
        assert daemon.ended_well()
        daemon.wait_for_message("threads that hang")
