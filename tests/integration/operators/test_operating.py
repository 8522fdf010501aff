"""A running daemon's reports of problems: /readyz, log, metrics and audit log."""

from __future__ import annotations

import json
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from authd.emulator.directory.sample import ALICE_KEY
from authd.emulator.faults.plan import Fault
from authd.emulator.process import EmulatorProcess
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.minting import Mint
from tests.integration.rig.polling import wait_until
from tests.integration.rig.tls_server import connect_proxy

Maker = Callable[..., DaemonProcess]
HOST = "sts.us-east-1.amazonaws.com"
UNKNOWN_KEY = ("AKIALOSTANDFORGOTTEN", "lost0/secret+key/of+the+emulator/0000000")
#: More consecutive failures than open a circuit.
MANY = 14


def readyz(daemon: DaemonProcess) -> tuple[int, str]:
    """Return the status of /readyz and the line about STS."""
    answer = daemon.health("/readyz")
    return answer.status, next(line for line in answer.body.decode().splitlines() if "] sts" in line)


def test_a_dead_sts_is_a_note(make_daemon: Maker, emulator: EmulatorProcess, mint: Mint) -> None:
    """Until a failing STS host recovers, /readyz (with 200), the log, the status and a gauge name it."""
    with make_daemon() as daemon:
        emulator.inject(Fault.INTERNAL_FAILURE)
        for expires in range(100, 100 + MANY):
            assert daemon.review(mint.by_signer(ALICE_KEY, expires=expires)).status in (502, 503)
        assert readyz(daemon) == (
            200,
            f"[!] sts: failing: {HOST} (sts_error); logins through it fail until a probe succeeds",
        )
        opened = daemon.wait_for_message("times in a row")
        assert (opened["level"], opened["sts_host"], opened["reason"]) == ("warn", HOST, "sts_error")
        assert f'authd_sts_circuit_open{{sts_host="{HOST}"}} 1.0' in daemon.health("/metrics").body.decode()
        emulator.clear()

        def accepted() -> bool:
            return daemon.review(mint.by_signer(ALICE_KEY, expires=200)).status == 200

        wait_until(accepted, "a probe of STS")
        assert daemon.wait_for_message("answers again")["sts_host"] == HOST
        assert readyz(daemon) == (200, "[+] sts: ok")
        assert "sts_circuit_open{" not in daemon.health("/metrics").body.decode()


def refused(daemon: DaemonProcess, mint: Mint) -> str:
    """Return the message of a review that can't reach STS."""
    assert daemon.review(mint.by_signer(ALICE_KEY)).status == 502
    return str(daemon.wait_for_event(lambda event: event.get("reason") == "sts_unreachable", "the decision")["message"])


def test_errors_of_the_proxy_name_the_proxy(make_daemon: Maker, emulator: EmulatorProcess, mint: Mint) -> None:
    """A proxy that requires a password, and one that is down, are reported with their address, not as STS."""
    demand = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with connect_proxy(emulator.port, demand) as (port, _):
        sts = {"caFile": emulator.ca, "proxy": f"http://127.0.0.1:{port}"}
        with make_daemon(sts=sts) as daemon:
            message = refused(daemon, mint)
    assert "407" in message
    assert f"proxy 127.0.0.1:{port}" in message
    with make_daemon(sts=sts) as daemon:  # no longer listening
        message = refused(daemon, mint)
    assert f"proxy 127.0.0.1:{port}" in message
    assert "refused" in message


def test_a_failed_connection_names_its_address_and_openssls_reason(
    make_daemon: Maker, sts: dict[str, Any], mint: Mint, tmp_path: Path
) -> None:
    """The messages about an untrusted certificate and a closed port have the address and the reason."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "stranger.pem"))
    (connect,) = {endpoint["connect"] for endpoint in sts["endpoints"] if endpoint["host"] == HOST}
    with make_daemon(
        sts={"endpoints": [{"host": HOST, "connect": connect, "caFile": str(tmp_path / "stranger.pem")}]}
    ) as daemon:
        message = refused(daemon, mint)
    assert connect in message
    assert "certificate verify failed" in message
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    with make_daemon(sts={"endpoints": [{"host": HOST, "connect": address}]}) as daemon:
        assert address in refused(daemon, mint)


def test_a_replaced_ca_file_is_used(
    make_daemon: Maker, emulator: EmulatorProcess, sts: dict[str, Any], mint: Mint, tmp_path: Path
) -> None:
    """New connections use a replaced CA file without a restart or a reload."""
    ca_file = tmp_path / "sts-ca.pem"
    trustme.CA().cert_pem.write_to_path(str(ca_file))
    endpoints = [{**endpoint, "caFile": str(ca_file)} for endpoint in sts["endpoints"] if endpoint["host"] == HOST]
    with make_daemon(sts={"endpoints": endpoints}) as daemon:
        assert "certificate verify failed" in refused(daemon, mint)
        shutil.copy(emulator.ca, ca_file)

        def accepted() -> bool:
            return daemon.review(mint.by_signer(ALICE_KEY)).status == 200

        wait_until(accepted, "the new CA")


def test_refusals_name_the_access_key(make_daemon: Maker, emulator: EmulatorProcess, mint: Mint) -> None:
    """Refusals without an identity have the access key ID, the signing time and the STS host, in log and audit log."""
    folder = make_daemon().folder
    with make_daemon(auditLog=str(folder / "audit.jsonl")) as daemon:
        daemon.review(mint.by_signer(ALICE_KEY, cluster="another.example.com"))
        daemon.review(mint.by_signer(UNKNOWN_KEY))
        daemon.review(mint.by_signer(ALICE_KEY, seconds_ago=1_200))
        emulator.inject(Fault.EXPIRED, times=1)
        daemon.review(mint.by_signer(ALICE_KEY, expires=61))
        logged = [event for event in daemon.events() if "decision" in event]
    audited = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    reasons = ["signature_mismatch", "unknown_access_key", "token_expired", "credentials_expired"]
    keys = [ALICE_KEY[0], UNKNOWN_KEY[0], ALICE_KEY[0], ALICE_KEY[0]]
    for records in (logged, audited):
        assert [record["reason"] for record in records] == reasons
        assert [record["access_key_id"] for record in records] == keys
        assert all(record["sts_host"] == HOST and record["signed_at"].endswith("Z") for record in records)


def test_a_flood_of_strangers(make_daemon: Maker, mint: Mint) -> None:
    """A flood writes a bounded number of lines and reports the number of the others. Confirmed identities lose no line."""
    folder = make_daemon().folder
    strangers, logins = 2_000, 5
    with make_daemon(auditLog=str(folder / "audit.jsonl")) as daemon:
        for login in range(logins):
            for number in range(strangers // logins):
                daemon.review(f"a stranger's token {login} {number}")
            daemon.review(mint.by_signer(ALICE_KEY, expires=100 + login))

        def counted() -> int:
            events = [event for event in daemon.events() if event.get("reason") == "foreign_token"]
            return sum(event.get("omitted", 1) for event in events)

        wait_until(lambda: counted() == strangers, "the report of omitted lines")
        logged = [event for event in daemon.events() if "decision" in event]
        assert (
            f'authd_decisions_total{{reason="foreign_token"}} {strangers}.0' in daemon.health("/metrics").body.decode()
        )
    audited = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    for records in (logged, audited):
        assert sum(record["decision"] == "allowed" for record in records) == logins
        assert sum(record["decision"] == "denied" for record in records) < strangers / 2
    omitted = sum(record.get("omitted", 0) for record in audited)
    assert omitted + sum(record["decision"] == "denied" for record in audited) == strangers


@pytest.mark.parametrize(("switches", "lines"), [(0, (0, 1)), (1, (1, 1)), (2, (0, 0)), (3, (0, 1))])
def test_the_log_level(make_daemon: Maker, mint: Mint, switches: int, lines: tuple[int, int]) -> None:
    """SIGUSR1 goes from `info` to `debug`, which has a line for each call to STS, to `warn`, which omits logins, and back."""
    with make_daemon() as daemon:
        for number in range(switches):
            daemon.process.send_signal(signal.SIGUSR1)
            level = ("debug", "warn", "info")[number]
            daemon.wait_for_message(f"the log level is {level} now")
        daemon.review(mint.by_signer(ALICE_KEY))
        daemon.hang_up()
        daemon.review("a stranger's token")
        refusal = daemon.wait_for_event(lambda event: event.get("reason") == "foreign_token", "a refusal")
        assert refusal["level"] == "warn"
        events = daemon.events()
    calls = sum("answered ok" in event["message"] for event in events)
    assert (calls, sum(event.get("decision") == "allowed" for event in events)) == lines
