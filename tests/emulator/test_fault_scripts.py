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


class Struck:
    """A request that a fault strikes, and the response as bytes."""

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
        """Return all bytes up to the end of the connection, which the request asks for."""
        self.request = WireRequest(
            method=b"GET", target=self.request.target, headers=(*self.request.headers, (b"connection", b"close"))
        )
        return self.send(fault, **settings).read_to_end()

    def answer(self, fault: Fault, **settings: Any) -> tuple[int, bytes, bytes]:
        """Return status, head and body of the one response, after a check of its length."""
        head, _, body = self.everything(fault, **settings).partition(b"\r\n\r\n")
        assert b"\r\nContent-Length: %d\r\n" % len(body) in head + b"\r\n"
        return int(head.split(b" ")[1]), head, body

    def result(self, fault: Fault) -> dict[str, Any]:
        status, _, body = self.answer(fault)
        assert status == 200
        return json.loads(body)["GetCallerIdentityResponse"]["GetCallerIdentityResult"]


@pytest.fixture
def struck(
    running: EmulatorThread,
    connect: Callable[[], Any],
    presign: Callable[..., str],
    received: Callable[..., WireRequest],
) -> Struck:
    return Struck(running, connect, received(presign()))


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
def test_errors(struck: Struck, fault: Fault, status: int, code: str, kind: str) -> None:
    """An error of STS has its status and code."""
    given_status, _, body = struck.answer(fault)
    error = json.loads(body)["Error"]
    assert (given_status, error["Code"], error["Type"]) == (status, code, kind)


def test_bad_gateway(struck: Struck) -> None:
    """A proxy's own page is HTML."""
    status, head, body = struck.answer(Fault.BAD_GATEWAY)
    assert status == 502
    assert b"text/html" in head
    assert body.startswith(b"<html>")


def test_redirect(struck: Struck) -> None:
    """A redirect leads to the same target at the given host."""
    status, head, body = struck.answer(Fault.REDIRECT, location="elsewhere.example:444")
    assert (status, body) == (302, b"")
    assert b"\r\nLocation: https://elsewhere.example:444" + struck.request.target + b"\r\n" in head


def test_gzip(struck: Struck) -> None:
    """A compressed response has its header, and contains the honest one."""
    _, head, body = struck.answer(Fault.GZIP)
    assert b"\r\nContent-Encoding: gzip\r\n" in head
    assert ALICE.encode() in gzip.decompress(body)


def test_gzip_bomb(struck: Struck) -> None:
    """The bomb is small on the wire and 64 MiB when inflated."""
    _, head, body = struck.answer(Fault.GZIP_BOMB)
    assert b"\r\nContent-Encoding: gzip\r\n" in head
    assert len(body) < 70_000
    inflater = zlib.decompressobj(31)
    size = 0
    while not inflater.eof:
        size += len(inflater.decompress(body, 1 << 20))
        body = inflater.unconsumed_tail
    assert size == 64 * 1024 * 1024


@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.EMPTY])
def test_not_json(struck: Struck, fault: Fault) -> None:
    """Garbage and an empty body have status 200 and JSON's content type."""
    status, head, body = struck.answer(fault)
    assert status == 200
    assert b"application/json" in head
    with pytest.raises(ValueError):
        json.loads(body)


def test_deep_json(struck: Struck) -> None:
    """Deep nesting, which exhausts some parsers, is well-formed."""
    status, head, body = struck.answer(Fault.DEEP_JSON)
    assert status == 200
    assert b"application/json" in head
    assert body.count(b"[") == body.count(b"]") >= 5_000


def test_oversized(struck: Struck) -> None:
    """An oversized body is good JSON of 4 MiB."""
    _, _, body = struck.answer(Fault.OVERSIZED)
    assert len(body) > 4 * 1024 * 1024
    assert ALICE.encode() in body
    assert json.loads(body)


def test_long_header(struck: Struck) -> None:
    """A header line of 256 KiB precedes an honest body."""
    _, head, body = struck.answer(Fault.LONG_HEADER)
    assert max(map(len, head.split(b"\r\n"))) > 256 * 1024
    assert ALICE.encode() in body


def test_wrong_account(struck: Struck) -> None:
    """The account isn't the one in the ARN."""
    result = struck.result(Fault.WRONG_ACCOUNT)
    assert (result["Account"], result["Arn"]) == ("999999999999", ALICE)


def test_wrong_partition(struck: Struck) -> None:
    """The ARN has another partition, and everything else is honest."""
    result = struck.result(Fault.WRONG_PARTITION)
    assert (result["Account"], result["Arn"]) == (ACCOUNT, ALICE.replace("arn:aws:", "arn:aws-cn:"))


def test_wrong_types(struck: Struck) -> None:
    """No member of the result is a string."""
    assert not any(isinstance(value, str) for value in struck.result(Fault.WRONG_TYPES).values())


def test_xml(struck: Struck) -> None:
    """A client that accepts JSON gets XML."""
    _, head, body = struck.answer(Fault.XML)
    assert b"text/xml" in head
    assert ALICE in {element.text for element in ET.fromstring(body).iter()}


def test_other_action(struck: Struck) -> None:
    """AssumeRole's response names the caller in all the usual members."""
    members = json.loads(struck.answer(Fault.OTHER_ACTION)[2])
    assert members["AssumeRoleResponse"]["AssumeRoleResult"]["Arn"] == ALICE


def test_duplicate_keys(struck: Struck) -> None:
    """The result names an intruder first and the caller last, under the same names."""
    body = struck.answer(Fault.DUPLICATE_KEYS)[2]
    assert json.loads(body)["GetCallerIdentityResponse"]["GetCallerIdentityResult"]["Arn"] == ALICE
    assert body.count(b'"Arn"') == body.count(b'"Account"') == body.count(b'"UserId"') == 2
    assert INTRUDER.encode() in body


def test_utf16(struck: Struck) -> None:
    """The body is UTF-16, as its content type says."""
    _, head, body = struck.answer(Fault.UTF16)
    assert b"application/json; charset=utf-16\r\n" in head
    assert ALICE in body.decode("utf-16")


def test_http10(struck: Struck) -> None:
    """An HTTP/1.0 response has no length and ends with the connection, although the client would keep it."""
    data = struck.send(Fault.HTTP10).read_to_end()
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"Content-Length" not in head
    assert json.loads(body)


def test_informational(struck: Struck) -> None:
    """A hundred 103 responses precede the honest one."""
    data = struck.everything(Fault.INFORMATIONAL)
    assert data.count(b"HTTP/1.1 103 Early Hints\r\n") == 100
    assert json.loads(data.rpartition(b"\r\n\r\n")[2])


def test_truncated(struck: Struck) -> None:
    """The body is a hundred bytes shorter than announced, and the connection ends cleanly."""
    head, _, body = struck.send(Fault.TRUNCATED).read_to_end().partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: %d" % (len(body) + 100) in head
    assert json.loads(body)


def test_unended_chunks(struck: Struck) -> None:
    """The chunks hold the whole body, but the last chunk never comes."""
    head, _, body = struck.send(Fault.UNENDED_CHUNKS).read_to_end().partition(b"\r\n\r\n")
    assert b"\r\nTransfer-Encoding: chunked" in head
    assert b"Content-Length" not in head
    size, _, chunk = body.partition(b"\r\n")
    assert len(chunk) == int(size, 16) + 2
    assert json.loads(chunk)


def test_two_answers(struck: Struck) -> None:
    """A second response, for another caller, follows the honest one before any request."""
    data = struck.everything(Fault.TWO_ANSWERS)
    first, second = data.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert ALICE.encode() in first
    assert INTRUDER.encode() in second


def test_endless(struck: Struck) -> None:
    """An endless body goes on as long as the client reads. The emulator buffers nothing."""
    connection = struck.send(Fault.ENDLESS)
    total = 0
    while total < 5_000_000:
        total += len(connection.read())
    assert not struck._running.call(lambda: len(struck._running.emulator.requests) > 1)


def test_delay(struck: Struck) -> None:
    """A late response is an honest one."""
    assert ALICE.encode() in struck.answer(Fault.DELAY, seconds=0.01)[2]


def test_drip(struck: Struck) -> None:
    """A dripping response is an honest one."""
    assert ALICE.encode() in struck.answer(Fault.DRIP, seconds=0)[2]


AFTER_HANDSHAKE = [Phase.HANDSHAKE, Phase.HEADERS, Phase.BODY]


def sent_until(connection: Any, phase: Phase) -> bytes:
    """Read the bytes that must come before the phase, and check them."""
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
def test_reset(struck: Struck, phase: Phase) -> None:
    """A reset strikes at its phase with RST."""
    connection = struck.send(Fault.RESET, phase=phase)
    sent_until(connection, phase)
    with pytest.raises(ConnectionResetError):
        connection.read()


@pytest.mark.parametrize("phase", AFTER_HANDSHAKE)
def test_close(struck: Struck, phase: Phase) -> None:
    """A close strikes at its phase, and is clean."""
    connection = struck.send(Fault.CLOSE, phase=phase)
    sent_until(connection, phase)
    assert connection.read() == b""


@pytest.mark.parametrize("phase", AFTER_HANDSHAKE)
def test_stall(struck: Struck, phase: Phase) -> None:
    """A stall strikes at its phase: no more bytes and no close, while other clients are served."""
    connection = struck.send(Fault.STALL, phase=phase)
    sent_until(connection, phase)
    assert struck.result(Fault.WRONG_ACCOUNT)
    connection.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        connection.read()


def accepted(running: EmulatorThread, fault: Fault) -> socket.socket:
    running.emulator.inject(fault, phase=Phase.ACCEPT, times=1)
    return socket.create_connection(("127.0.0.1", running.emulator.port), timeout=5)


def test_at_accept(running: EmulatorThread, connect: Callable[[], Any]) -> None:
    """A fault at the accept phase strikes before any byte of TLS, and the next connection is served."""
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


def test_kept_alive(struck: Struck) -> None:
    """After a fault that ends its response properly the connection serves the next request."""
    connection = struck.send(Fault.THROTTLE)
    assert b" 400 " in connection.read()
    for _ in range(2):
        connection.send(struck.request)
        assert ALICE.encode() in connection.read()


def test_client_that_leaves(struck: Struck) -> None:
    """A disconnect ends a script. The emulator goes on, and stops without waiting for it."""
    for fault, settings in ((Fault.DRIP, {"seconds": 60}), (Fault.ENDLESS, {}), (Fault.DELAY, {"seconds": 60})):
        connection = struck.send(fault, **settings)
        if fault is not Fault.DELAY:
            connection.read()
        connection.socket.close()
    assert struck.result(Fault.WRONG_PARTITION)
