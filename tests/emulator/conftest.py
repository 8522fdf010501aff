"""Requests signed by botocore, and a running emulator."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import botocore.session
import pytest
import trustme
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.model import ServiceId
from botocore.signers import RequestSigner

from authd.emulator.directory.sample import ALICE_KEY, sample_directory
from authd.emulator.sts.actions import STS
from authd.emulator.sts.request import WireRequest
from authd.emulator.thread import EmulatorThread

CLUSTER = "prod.example.com"
EMITTER = botocore.session.get_session().get_component("event_emitter")


class Clock:
    """The real time, which botocore signs with, plus an offset set by the test."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sts(clock: Clock) -> STS:
    return STS(sample_directory(), now=clock)


def presign(
    key: tuple[str, ...] = ALICE_KEY,
    *,
    region: str = "us-east-1",
    host: str = "sts.us-east-1.amazonaws.com",
    cluster: str = CLUSTER,
    expires: int = 60,
) -> str:
    """Presign a token's URL as in aws-iam-authenticator's README."""
    signer = RequestSigner(ServiceId("sts"), region, "sts", "v4", Credentials(*key), EMITTER)
    parameters = {
        "method": "GET",
        "url": f"https://{host}/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {"x-k8s-aws-id": cluster},
        "context": {},
    }
    return signer.generate_presigned_url(parameters, region_name=region, expires_in=expires, operation_name="")


def received(url: str, *, cluster: str = CLUSTER, accept: bytes = b"application/json") -> WireRequest:
    """Return the request that a verifier sends for a presigned URL."""
    parts = urlsplit(url)
    return WireRequest(
        method=b"GET",
        target=f"{parts.path}?{parts.query}".encode(),
        headers=(
            (b"host", parts.netloc.encode()),
            (b"x-k8s-aws-id", cluster.encode()),
            (b"accept", accept),
        ),
    )


def post(
    body: str,
    key: tuple[str, ...] = ALICE_KEY,
    *,
    region: str = "us-east-1",
    host: str = "sts.us-east-1.amazonaws.com",
    target: str = "/",
    service: str = "sts",
    extra: tuple[tuple[str, str], ...] = (),
) -> WireRequest:
    """Return a POST signed in its Authorization header, as SDKs send it."""
    request = AWSRequest("POST", f"https://{host}{target}", data=body.encode())
    request.headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
    for name, value in extra:
        request.headers.add_header(name, value)
    SigV4Auth(Credentials(*key), service, region).add_auth(request)
    headers = [(name.lower().encode(), str(value).strip().encode()) for name, value in request.headers.items()]
    return WireRequest(
        method=b"POST", target=target.encode(), headers=((b"host", host.encode()), *headers), body=body.encode()
    )


@pytest.fixture(name="presign")
def presign_fixture() -> Callable[..., str]:
    return presign


@pytest.fixture(name="received")
def received_fixture() -> Callable[..., WireRequest]:
    return received


@pytest.fixture(name="post")
def post_fixture() -> Callable[..., WireRequest]:
    return post


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="session")
def certificate(authority: trustme.CA) -> dict[str, bytes]:
    leaf = authority.issue_cert("localhost", "127.0.0.1", "sts.us-east-1.amazonaws.com")
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    return {"certificate_chain_pem": chain, "key_pem": leaf.private_key_pem.bytes()}


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    path.write_bytes(authority.cert_pem.bytes())
    return str(path)


@pytest.fixture
def running(certificate: dict[str, bytes], clock: Clock) -> Iterator[EmulatorThread]:
    with EmulatorThread(sample_directory(), now=clock, with_control=True, **certificate) as thread:
        yield thread


@pytest.fixture
def sts_client(running: EmulatorThread, ca_file: str) -> Iterator[Callable[..., Any]]:
    """Make botocore clients that never retry and trust only the test's CA."""
    clients = []

    def make(key: tuple[str, ...] = ALICE_KEY, region: str = "us-east-1", port: int | None = None) -> Any:
        client = botocore.session.get_session().create_client(
            "sts",
            region_name=region,
            endpoint_url=f"https://localhost:{port or running.emulator.port}",
            verify=ca_file,
            aws_access_key_id=key[0],
            aws_secret_access_key=key[1],
            aws_session_token=key[2] if len(key) > 2 else None,
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5),
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


class RawConnection:
    """A TLS connection with full control of the bytes on the wire.

    TLS runs apart from the socket, so that a reset, an end of file and a close_notify can be distinguished.
    """

    def __init__(self, port: int, ca_file: str) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=ca_file)
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="sts.us-east-1.amazonaws.com")
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._until_done(self._tls.do_handshake)

    def send(self, request: WireRequest) -> None:
        head = b"%b %b HTTP/1.1\r\n" % (request.method, request.target)
        for name, value in request.headers:
            head += b"%b: %b\r\n" % (name, value)
        self.send_bytes(head + b"Content-Length: %d\r\n\r\n" % len(request.body) + request.body)

    def send_bytes(self, data: bytes) -> None:
        self._until_done(lambda: self._tls.write(data))

    def read(self) -> bytes:
        """Return the next data, empty after a close_notify.

        Raises `SSLEOFError` if the connection ends without one.
        """
        try:
            return self._until_done(lambda: self._tls.read(65_536))
        except ssl.SSLZeroReturnError:
            return b""

    def read_to_end(self) -> bytes:
        """Return everything up to the clean end of the connection."""
        received_bytes = b""
        while data := self.read():
            received_bytes += data
        return received_bytes

    def _until_done(self, operation: Callable[[], Any]) -> Any:
        while True:
            try:
                result = operation()
            except ssl.SSLWantReadError:
                self.socket.sendall(self._out.read())
                if data := self.socket.recv(65_536):
                    self._in.write(data)
                else:
                    self._in.write_eof()
            else:
                self.socket.sendall(self._out.read())
                return result


@pytest.fixture(name="raw_connection")
def raw_connection_fixture() -> type[RawConnection]:
    return RawConnection


@pytest.fixture
def connect(running: EmulatorThread, ca_file: str) -> Iterator[Callable[[], RawConnection]]:
    connections: list[RawConnection] = []

    def open_one() -> RawConnection:
        connections.append(RawConnection(running.emulator.port, ca_file))
        return connections[-1]

    yield open_one
    for connection in connections:
        connection.socket.close()
