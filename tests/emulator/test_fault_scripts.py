from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from authd.emulator.directory.sample import ACCOUNT
from authd.emulator.faults.plan import Fault, Phase
from authd.emulator.sts.request import WireRequest
from authd.emulator.thread import EmulatorThread

ALICE = f"arn:aws:iam::{ACCOUNT}:user/team/alice"
INTRUDER = "arn:aws:iam::666666666666:root"


class FaultyRequest:
    """A request that gets a fault, and the response as bytes."""

    def __init__(self, running: EmulatorThread, connect: Callable[[], Any], request: WireRequest) -> None:
        self._running = running
        self._connect = connect
        self.request = request

    def send(self, fault: Fault, **settings: Any) -> Any:
        self._running.emulator.inject(fault, times=1, **settings)
        connection = self._connect()
        connection.send(self.request)
        return connection

    def everything(self, fault: Fault, **settings: Any) -> bytes:
        """Return all bytes up to the end of the connection, by a request with `Connection: close`."""
        self.request = WireRequest(
            method=b"GET", target=self.request.target, headers=(*self.request.headers, (b"connection", b"close"))
        )
        return self.send(fault, **settings).read_to_end()

    def response(self, fault: Fault, **settings: Any) -> tuple[int, bytes, bytes]:
        """Return status, head and body of the only response. Checks its length."""
        head, _, body = self.everything(fault, **settings).partition(b"\r\n\r\n")
        assert b"\r\nContent-Length: %d\r\n" % len(body) in head + b"\r\n"
        return int(head.split(b" ")[1]), head, body

    def result(self, fault: Fault) -> dict[str, Any]:
        status, _, body = self.response(fault)
        assert status == 200
        return json.loads(body)["GetCallerIdentityResponse"]["GetCallerIdentityResult"]


@pytest.fixture
def faulty(
    running: EmulatorThread,
    connect: Callable[[], Any],
    presign: Callable[..., str],
    received: Callable[..., WireRequest],
) -> FaultyRequest:
    return FaultyRequest(running, connect, received(presign()))


@pytest.mark.parametrize(
    ("fault", "status", "code", "kind"),
    [
        (Fault.THROTTLE, 400, "Throttling", "Sender"),
        (Fault.REQUEST_LIMIT, 400, "RequestLimitExceeded", "Sender"),
        (Fault.INTERNAL_FAILURE, 500, "InternalFailure", "Receiver"),
        (Fault.UNAVAILABLE, 503, "ServiceUnavailable", "Receiver"),
        (Fault.EXPIRED, 403, "ExpiredToken", "Sender"),
    ],
)
def test_errors(faulty: FaultyRequest, fault: Fault, status: int, code: str, kind: str) -> None:
    """Each error of STS has its status and code."""
    given_status, _, body = faulty.response(fault)
    error = json.loads(body)["Error"]
    assert (given_status, error["Code"], error["Type"]) == (status, code, kind)


def test_bad_gateway(faulty: FaultyRequest) -> None:
    """The error page of a proxy is HTML."""
    status, head, body = faulty.response(Fault.BAD_GATEWAY)
    assert status == 502
    assert b"text/html" in head
    assert body.startswith(b"<html>")


def test_redirect(faulty: FaultyRequest) -> None:
    """A redirect leads to the same target at the given host."""
    status, head, body = faulty.response(Fault.REDIRECT, location="elsewhere.example:444")
    assert (status, body) == (302, b"")
    assert b"\r\nLocation: https://elsewhere.example:444" + faulty.request.target + b"\r\n" in head


def test_gzip(faulty: FaultyRequest) -> None:
    """A compressed response has its header, and contains the regular one."""
    _, head, body = faulty.response(Fault.GZIP)
    assert b"\r\nContent-Encoding: gzip\r\n" in head
    assert ALICE.encode() in gzip.decompress(body)


def test_gzip_bomb(faulty: FaultyRequest) -> None:
    """The bomb is small on the wire and inflates to 64 MiB."""
    _, head, body = faulty.response(Fault.GZIP_BOMB)
    assert b"\r\nContent-Encoding: gzip\r\n" in head
    assert len(body) < 70_000
    inflater = zlib.decompressobj(31)
    size = 0
    while not inflater.eof:
        size += len(inflater.decompress(body, 1 << 20))
        body = inflater.unconsumed_tail
    assert size == 64 * 1024 * 1024


@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.EMPTY])
def test_not_json(faulty: FaultyRequest, fault: Fault) -> None:
    """Garbage and an empty body have status 200 and JSON's content type."""
    status, head, body = faulty.response(fault)
    assert status == 200
    assert b"application/json" in head
    with pytest.raises(ValueError):
        json.loads(body)


def test_deep_json(faulty: FaultyRequest) -> None:
    """Deep nesting, which exhausts some parsers, is valid JSON."""
    status, head, body = faulty.response(Fault.DEEP_JSON)
    assert status == 200
    assert b"application/json" in head
    assert body.count(b"[") == body.count(b"]") >= 5_000


def test_oversized(faulty: FaultyRequest) -> None:
    """An oversized body is valid JSON of 4 MiB."""
    _, _, body = faulty.response(Fault.OVERSIZED)
    assert len(body) > 4 * 1024 * 1024
    assert ALICE.encode() in body
    assert json.loads(body)


def test_long_header(faulty: FaultyRequest) -> None:
    """A header line of 256 KiB precedes the regular body."""
    _, head, body = faulty.response(Fault.LONG_HEADER)
    assert max(map(len, head.split(b"\r\n"))) > 256 * 1024
    assert ALICE.encode() in body


def test_wrong_account(faulty: FaultyRequest) -> None:
    """The account isn't the one in the ARN."""
    result = faulty.result(Fault.WRONG_ACCOUNT)
    assert (result["Account"], result["Arn"]) == ("999999999999", ALICE)


def test_wrong_partition(faulty: FaultyRequest) -> None:
    """Only the partition of the ARN is wrong."""
    result = faulty.result(Fault.WRONG_PARTITION)
    assert (result["Account"], result["Arn"]) == (ACCOUNT, ALICE.replace("arn:aws:", "arn:aws-cn:"))


def test_wrong_types(faulty: FaultyRequest) -> None:
    """No member of the result is a string."""
    assert not any(isinstance(value, str) for value in faulty.result(Fault.WRONG_TYPES).values())


def test_xml(faulty: FaultyRequest) -> None:
    """A client that accepts JSON gets XML."""
    _, head, body = faulty.response(Fault.XML)
    assert b"text/xml" in head
    assert ALICE in {element.text for element in ET.fromstring(body).iter()}


def test_other_action(faulty: FaultyRequest) -> None:
    """AssumeRole's response names the caller in all the usual members."""
    members = json.loads(faulty.response(Fault.OTHER_ACTION)[2])
    assert members["AssumeRoleResponse"]["AssumeRoleResult"]["Arn"] == ALICE


def test_duplicate_keys(faulty: FaultyRequest) -> None:
    """The result names an intruder first and the caller last, under the same names."""
    body = faulty.response(Fault.DUPLICATE_KEYS)[2]
    assert json.loads(body)["GetCallerIdentityResponse"]["GetCallerIdentityResult"]["Arn"] == ALICE
    assert body.count(b'"Arn"') == body.count(b'"Account"') == body.count(b'"UserId"') == 2
    assert INTRUDER.encode() in body


def test_utf16(faulty: FaultyRequest) -> None:
    """The body is UTF-16, as its content type says."""
    _, head, body = faulty.response(Fault.UTF16)
    assert b"application/json; charset=utf-16\r\n" in head
    assert ALICE in body.decode("utf-16")


def test_http10(faulty: FaultyRequest) -> None:
    """An HTTP/1.0 response has no length and ends with the connection, although the client's is persistent."""
    data = faulty.send(Fault.HTTP10).read_to_end()
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"Content-Length" not in head
    assert json.loads(body)


def test_informational(faulty: FaultyRequest) -> None:
    """A hundred 103 responses precede the regular one."""
    data = faulty.everything(Fault.INFORMATIONAL)
    assert data.count(b"HTTP/1.1 103 Early Hints\r\n") == 100
    assert json.loads(data.rpartition(b"\r\n\r\n")[2])


def test_truncated(faulty: FaultyRequest) -> None:
    """The body is a hundred bytes shorter than announced, and the connection ends cleanly."""
    head, _, body = faulty.send(Fault.TRUNCATED).read_to_end().partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: %d" % (len(body) + 100) in head
    assert json.loads(body)


def test_unended_chunks(faulty: FaultyRequest) -> None:
    """The chunks hold the whole body, but the last chunk never comes."""
    head, _, body = faulty.send(Fault.UNENDED_CHUNKS).read_to_end().partition(b"\r\n\r\n")
    assert b"\r\nTransfer-Encoding: chunked" in head
    assert b"Content-Length" not in head
    size, _, chunk = body.partition(b"\r\n")
    assert len(chunk) == int(size, 16) + 2
    assert json.loads(chunk)


def test_two_responses(faulty: FaultyRequest) -> None:
    """A second response, for another caller, follows the regular one without a request."""
    data = faulty.everything(Fault.TWO_ANSWERS)
    first, second = data.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert ALICE.encode() in first
    assert INTRUDER.encode() in second


def test_endless(faulty: FaultyRequest) -> None:
    """An endless body continues as long as the client reads. The emulator buffers nothing."""
    connection = faulty.send(Fault.ENDLESS)
    total = 0
    while total < 5_000_000:
        total += len(connection.read())
    assert not faulty._running.call(lambda: len(faulty._running.emulator.requests) > 1)


def test_delay(faulty: FaultyRequest) -> None:
    """A delayed response is the regular one."""
    assert ALICE.encode() in faulty.response(Fault.DELAY, seconds=0.01)[2]


def test_drip(faulty: FaultyRequest) -> None:
    """A dripping response is the regular one."""
    assert ALICE.encode() in faulty.response(Fault.DRIP, seconds=0)[2]


AFTER_HANDSHAKE = [Phase.HANDSHAKE, Phase.HEADERS, Phase.BODY]


def sent_until(connection: Any, phase: Phase) -> bytes:
    """Read the bytes that precede the phase, and check them."""
    data = b""
    if phase is not Phase.HANDSHAKE:
        while b"\r\n\r\n" not in data:
            data += connection.read()
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.rpartition(b"Content-Length: ")[2].split(b"\r\n")[0])
        while phase is Phase.BODY and len(body) < length // 2:
            body += connection.read()
        assert len(body) == (length // 2 if phase is Phase.BODY else 0)
    return data


@pytest.mark.parametrize("phase", AFTER_HANDSHAKE)
def test_reset(faulty: FaultyRequest, phase: Phase) -> None:
    """A reset ends the connection with RST at its phase."""
    connection = faulty.send(Fault.RESET, phase=phase)
    sent_until(connection, phase)
    with pytest.raises(ConnectionResetError):
        connection.read()


@pytest.mark.parametrize("phase", AFTER_HANDSHAKE)
def test_close(faulty: FaultyRequest, phase: Phase) -> None:
    """A close ends the connection cleanly at its phase."""
    connection = faulty.send(Fault.CLOSE, phase=phase)
    sent_until(connection, phase)
    assert connection.read() == b""


@pytest.mark.parametrize("phase", AFTER_HANDSHAKE)
def test_stall(faulty: FaultyRequest, phase: Phase) -> None:
    """A stall at its phase sends no more bytes and does not close, while other clients are served."""
    connection = faulty.send(Fault.STALL, phase=phase)
    sent_until(connection, phase)
    assert faulty.result(Fault.WRONG_ACCOUNT)
    connection.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        connection.read()


def accepted(running: EmulatorThread, fault: Fault) -> socket.socket:
    running.emulator.inject(fault, phase=Phase.ACCEPT, times=1)
    return socket.create_connection(("127.0.0.1", running.emulator.port), timeout=5)


def test_at_accept(running: EmulatorThread, connect: Callable[[], Any]) -> None:
    """A fault at the accept phase comes before any byte of TLS, and the next connection is served."""
    with accepted(running, Fault.CLOSE) as closed:
        assert closed.recv(1) == b""
    with pytest.raises(ConnectionResetError), accepted(running, Fault.RESET) as reset:
        reset.recv(1)
    with accepted(running, Fault.STALL) as stalled:
        stalled.settimeout(0.2)
        with pytest.raises(TimeoutError):
            stalled.recv(1)
    assert connect()
    assert running.emulator.counters.faults == {"close": 1, "reset": 1, "stall": 1}


def test_kept_alive(faulty: FaultyRequest) -> None:
    """After a fault with a complete response the connection serves the next request."""
    connection = faulty.send(Fault.THROTTLE)
    assert b" 400 " in connection.read()
    for _ in range(2):
        connection.send(faulty.request)
        assert ALICE.encode() in connection.read()


def test_client_that_leaves(faulty: FaultyRequest) -> None:
    """A disconnect ends a script. The emulator continues, and stops without waiting for it."""
    for fault, settings in ((Fault.DRIP, {"seconds": 60}), (Fault.ENDLESS, {}), (Fault.DELAY, {"seconds": 60})):
        connection = faulty.send(fault, **settings)
        if fault is not Fault.DELAY:
            connection.read()
        connection.socket.close()
    assert faulty.result(Fault.WRONG_PARTITION)
