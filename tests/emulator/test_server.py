from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from authd.emulator.directory.directory import Directory
from authd.emulator.directory.errors import EmulatorError
from authd.emulator.directory.sample import ACCOUNT, ALICE_KEY, BOB_KEY, WEB_IDENTITY_TOKEN, sample_directory
from authd.emulator.faults.plan import Fault, Phase
from authd.emulator.server import STSEmulator
from authd.emulator.sts.request import WireRequest
from authd.emulator.thread import EmulatorThread

ALICE = f"arn:aws:iam::{ACCOUNT}:user/team/alice"
Connect = Callable[[], Any]


def read_response(connection: Any) -> tuple[int, dict[str, str], bytes]:
    """Read one response with a Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.read()
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    while len(body) < int(headers["content-length"]):
        body += connection.read()
    assert len(body) == int(headers["content-length"])
    return int(status.split(" ")[1]), headers, body


def test_presigned_token(connect: Connect, presign: Callable[..., str], received: Callable[..., WireRequest]) -> None:
    """A token presigned by botocore gets JSON responses over TLS, several on one connection."""
    connection = connect()
    for _ in range(3):
        connection.send(received(presign()))
        status, headers, body = read_response(connection)
        assert status == 200
        assert headers["content-type"] == "application/json"
        assert "connection" not in headers
        members = json.loads(body)["GetCallerIdentityResponse"]
        assert members["GetCallerIdentityResult"]["Arn"] == ALICE
        assert members["ResponseMetadata"]["RequestId"] == headers["x-amzn-requestid"]


def test_presigned_token_for_another_cluster(
    running: EmulatorThread, connect: Connect, presign: Callable[..., str], received: Callable[..., WireRequest]
) -> None:
    """A token for another cluster is refused in JSON, and the connection stays open."""
    connection = connect()
    connection.send(received(presign(), cluster="other.example.com"))
    status, _, body = read_response(connection)
    error = json.loads(body)["Error"]
    assert (status, error["Code"], error["Type"]) == (403, "SignatureDoesNotMatch", "Sender")
    connection.send(received(presign()))
    assert read_response(connection)[0] == 200
    assert running.emulator.counters.outcomes == {"SignatureDoesNotMatch": 1, "Success": 1}


def test_connection_close(connect: Connect, presign: Callable[..., str], received: Callable[..., WireRequest]) -> None:
    """The connection ends after a request with `Connection: close`."""
    connection = connect()
    request = received(presign())
    connection.send(
        WireRequest(method=b"GET", target=request.target, headers=(*request.headers, (b"connection", b"close")))
    )
    data = connection.read_to_end()
    assert b"\r\nConnection: close\r\n" in data
    assert ALICE.encode() in data


def test_caller_identity_by_botocore(sts_client: Callable[..., Any]) -> None:
    """A botocore client gets its caller identity."""
    fields = sts_client().get_caller_identity()
    assert (fields["Arn"], fields["Account"], fields["UserId"][:4]) == (ALICE, ACCOUNT, "AIDA")
    assert fields["ResponseMetadata"]["RequestId"]


def test_assume_role_by_botocore(sts_client: Callable[..., Any], clock: Any) -> None:
    """A botocore client assumes a role, and its credentials work until they expire."""
    answered = sts_client().assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/Admin", RoleSessionName="s-1", DurationSeconds=900
    )
    credentials = answered["Credentials"]
    client = sts_client((credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"]))
    assert client.get_caller_identity()["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/s-1"
    assert abs(credentials["Expiration"].timestamp() - clock() - 900) < 10


def test_web_identity_by_botocore(sts_client: Callable[..., Any]) -> None:
    """A botocore client assumes a role with a web identity token, without a signature."""
    answered = sts_client().assume_role_with_web_identity(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/Pipeline", RoleSessionName="ci", WebIdentityToken=WEB_IDENTITY_TOKEN
    )
    assert answered["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Pipeline/ci"


@pytest.mark.parametrize(
    ("key", "region", "code"),
    [
        (("AKIAEMULATORNOBODY00", "x"), "us-east-1", "InvalidClientTokenId"),
        ((ALICE_KEY[0], "wrong"), "us-east-1", "SignatureDoesNotMatch"),
        (ALICE_KEY, "eu-west-1", "SignatureDoesNotMatch"),
        ((*ALICE_KEY, "token"), "us-east-1", "InvalidClientTokenId"),
    ],
)
def test_refused_by_botocore(sts_client: Callable[..., Any], key: tuple[str, ...], region: str, code: str) -> None:
    """A botocore client gets STS's error code for every kind of wrong credential."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        sts_client(key, region).get_caller_identity()
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_clock(running: EmulatorThread, sts_client: Callable[..., Any]) -> None:
    """With a shifted clock the same signature is expired, or not yet valid."""
    for offset, words in ((1000, "Signature expired"), (-1000, "Signature not yet current")):
        running.emulator.clock_offset = offset
        with pytest.raises(botocore.exceptions.ClientError, match=words):
            sts_client().get_caller_identity()


def test_directory_is_replaced(running: EmulatorThread, sts_client: Callable[..., Any]) -> None:
    """A key that was removed from the directory is unknown at once."""
    client = sts_client()
    assert client.get_caller_identity()
    running.emulator.directory = Directory.of()
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidClientTokenId"):
        client.get_caller_identity()


def test_counters(running: EmulatorThread, sts_client: Callable[..., Any]) -> None:
    """Connections, requests, actions, outcomes and faults are counted."""
    client = sts_client()
    client.get_caller_identity()
    running.emulator.inject(Fault.THROTTLE, times=1)
    with pytest.raises(botocore.exceptions.ClientError, match="Throttling"):
        client.get_caller_identity()
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        client.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/Closed", RoleSessionName="s-1")
    counters = running.emulator.counters
    assert (counters.connections, counters.requests) == (1, 3)
    assert counters.actions == {"GetCallerIdentity": 2, "AssumeRole": 1}
    assert counters.outcomes == {"Success": 2, "AccessDenied": 1}
    assert counters.faults == {"throttle": 1}


def test_requests_are_remembered_as_sent(
    running: EmulatorThread, connect: Connect, presign: Callable[..., str], received: Callable[..., WireRequest]
) -> None:
    """The exact target and all header lines of a request are kept, in order and with repetitions."""
    connection = connect()
    request = received(presign())
    twice = (*request.headers, (b"x-test", b"1"), (b"x-test", b"2"))
    connection.send(WireRequest(method=b"GET", target=request.target, headers=twice))
    read_response(connection)
    (seen,) = running.emulator.requests
    assert (seen.method, seen.target) == (b"GET", request.target)
    assert seen.header_values(b"x-test") == (b"1", b"2")


def test_chunked_request_body(connect: Connect, post: Callable[..., WireRequest]) -> None:
    """A signed body may be chunked."""
    request = post("Action=GetCallerIdentity&Version=2011-06-15")
    connection = connect()
    head = b"POST / HTTP/1.1\r\n" + b"".join(b"%b: %b\r\n" % pair for pair in request.headers)
    body = b"".join(b"1\r\n%c\r\n" % byte for byte in request.body) + b"0\r\n\r\n"
    connection.send_bytes(head + b"Transfer-Encoding: chunked\r\n\r\n" + body)
    assert read_response(connection)[0] == 200


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 1000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n30000\r\n" + b"x" * 0x30000],
    ids=["announced", "chunked"],
)
def test_too_large_a_body(connect: Connect, framing: bytes) -> None:
    """A body above the limit ends the connection."""
    connection = connect()
    # The emulator may close before or after everything is sent.
    with contextlib.suppress(ConnectionError):
        connection.send_bytes(b"POST / HTTP/1.1\r\nHost: sts.amazonaws.com\r\n" + framing)
    with pytest.raises(ConnectionError):
        connection.read()


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "10.0.0.1", "localhost", ""])
def test_only_loopback(certificate: dict[str, bytes], address: str) -> None:
    """The emulator listens on loopback addresses only."""
    with pytest.raises(EmulatorError, match=r"not a loopback address|is not an IP address"):
        STSEmulator(object(), sample_directory(), interface=address, **certificate)


def test_ipv6(certificate: dict[str, bytes]) -> None:
    """The emulator also listens on the IPv6 loopback address."""
    with EmulatorThread(sample_directory(), interface="::1", **certificate) as thread:
        socket.create_connection(("::1", thread.emulator.port), timeout=5).close()


def test_certificate_of_another_key(certificate: dict[str, bytes], authority: Any) -> None:
    """A missing key, or one that does not match the certificate, is refused before the emulator listens."""
    other = authority.issue_cert("localhost").private_key_pem.bytes()
    for key in (other, b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        with pytest.raises(EmulatorError, match="can't be read, or don't belong together"):
            STSEmulator(object(), sample_directory(), **(certificate | {"key_pem": key}))


@pytest.mark.parametrize("offered", [["http/1.1"], ["h2", "http/1.1"], ["h2"], None])
def test_alpn(running: EmulatorThread, ca_file: str, offered: list[str] | None) -> None:
    """The emulator selects HTTP/1.1 if offered. Other offers don't fail the handshake."""
    context = ssl.create_default_context(cafile=ca_file)
    if offered is not None:
        context.set_alpn_protocols(offered)
    with (
        socket.create_connection(("127.0.0.1", running.emulator.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        assert secure.selected_alpn_protocol() == ("http/1.1" if offered and "http/1.1" in offered else None)


def test_stop_ends_open_connections(certificate: dict[str, bytes]) -> None:
    """Stopping resets open connections, including silent and stalled ones, and closes the port."""
    with EmulatorThread(sample_directory(), **certificate) as thread:
        port = thread.emulator.port
        silent = socket.create_connection(("127.0.0.1", port), timeout=5)
        thread.emulator.inject(Fault.STALL, phase=Phase.ACCEPT)
        stalled = socket.create_connection(("127.0.0.1", port), timeout=5)
    with silent, stalled:
        for connection in (silent, stalled):
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    with pytest.raises(EmulatorError, match="not listening"):
        _ = thread.emulator.port


def send_control(connection: Any, command: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    fields = {"Host": "localhost", "Content-Type": "application/json"} | headers
    connection.send(
        WireRequest(
            method=headers.pop("method", "POST").encode(),
            target=f"/_emulator/{command}".encode(),
            headers=tuple((name.encode(), value.encode()) for name, value in fields.items() if name != "method"),
            body=body,
        )
    )
    status, _, answered = read_response(connection)
    return status, json.loads(answered)


def test_control(running: EmulatorThread, connect: Connect, sts_client: Callable[..., Any]) -> None:
    """Faults, counters and the clock are set and read over the emulator's own port, and are not counted as requests."""
    control, client = connect(), sts_client()
    assert send_control(control, "inject", b'{"fault":"throttle","times":1}') == (200, {})
    with pytest.raises(botocore.exceptions.ClientError, match="Throttling"):
        client.get_caller_identity()
    assert send_control(control, "inject", b'{"fault":"unavailable"}') == (200, {})
    assert send_control(control, "clear", b"{}") == (200, {})
    assert client.get_caller_identity()
    assert send_control(control, "clock", b'{"offset":1000}')[0] == 200
    with pytest.raises(botocore.exceptions.ClientError, match="Signature expired"):
        client.get_caller_identity()
    status, counters = send_control(control, "counters", b"")
    assert status == 200
    assert counters["requests"] == 3
    assert counters["outcomes"] == {"Success": 2, "SignatureDoesNotMatch": 1}
    assert counters["faults"] == {"throttle": 1}
    assert running.emulator.counters.requests == 3


def test_idle_connections(certificate: dict[str, bytes], ca_file: str, raw_connection: Callable[..., Any]) -> None:
    """An idle connection is closed after the timeout, except one that controls the emulator."""
    with EmulatorThread(sample_directory(), idle_timeout=1.5, with_control=True, **certificate) as thread:
        control, idle = (raw_connection(thread.emulator.port, ca_file) for _ in range(2))
        with control.socket, idle.socket:
            assert send_control(control, "counters", b"")[0] == 200
            idle.send_bytes(b"GET /")
            assert idle.read() == b""
            assert send_control(control, "counters", b"")[0] == 200


@pytest.mark.parametrize(
    ("command", "body", "status", "words"),
    [
        ("nothing", b"{}", 404, "there is no such control"),
        ("inject", b"{", 400, "not JSON"),
        ("inject", b"[]", 400, "not a JSON object"),
        ("inject", b"{}", 400, "member 'fault' is missing"),
        ("inject", b'{"fault":"x"}', 400, "unknown fault 'x'"),
        ("inject", b'{"fault":"throttle","times":"3"}', 400, "member 'times' has the wrong type"),
        ("inject", b'{"fault":"throttle","times":true}', 400, "member 'times' has the wrong type"),
        ("inject", b'{"fault":"throttle","x":1}', 400, "unknown member 'x'"),
        ("clock", b"{}", 400, "must be a number of seconds"),
        ("clock", b'{"offset":1e300}', 400, "ten years at most"),
        ("clock", b'{"offset":NaN}', 400, "ten years at most"),
    ],
)
def test_wrong_control(connect: Connect, command: str, body: bytes, status: int, words: str) -> None:
    """An invalid control request gets an explanation."""
    given_status, members = send_control(connect(), command, body)
    assert given_status == status
    assert words in members["error"]


def test_control_is_no_form(connect: Connect) -> None:
    """Only a POST of JSON controls the emulator, so that a page in a browser can't."""
    assert send_control(connect(), "clear", b"{}", **{"Content-Type": "text/plain"})[0] == 405
    assert send_control(connect(), "clear", b"{}", method="GET")[0] == 405


def test_no_control_by_default(certificate: dict[str, bytes], ca_file: str) -> None:
    """By default the emulator has no control endpoint."""
    with EmulatorThread(sample_directory(), **certificate) as thread:
        context = ssl.create_default_context(cafile=ca_file)
        plain = socket.create_connection(("127.0.0.1", thread.emulator.port), timeout=5)
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            secure.sendall(b"POST /_emulator/clear HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
            assert b" 403 " in secure.recv(100)


def test_two_emulators(certificate: dict[str, bytes], sts_client: Callable[..., Any], running: EmulatorThread) -> None:
    """A session of one emulator is unknown to another."""
    credentials = sts_client(BOB_KEY).assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/Admin", RoleSessionName="s-1")[
        "Credentials"
    ]
    key = (credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])
    assert sts_client(key).get_caller_identity()
    with EmulatorThread(sample_directory(), **certificate) as other:
        client = sts_client(key, port=other.emulator.port)
        with pytest.raises(botocore.exceptions.ClientError, match="InvalidClientTokenId"):
            client.get_caller_identity()
