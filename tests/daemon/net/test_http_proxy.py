"""A tunnel through an HTTP proxy, in memory."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.protocol import Factory, Protocol

from authd.daemon.net.http_proxy import ProxyRefused, TunnelEndpoint
from tests.daemon.fakes import FakeEndpoint

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n"


class Inner(Protocol):
    """The protocol inside the tunnel."""

    def __init__(self) -> None:
        self.received = b""
        self.lost = 0

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"hello")

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: object = None) -> None:
        self.lost += 1


class Tunnel:
    """An attempt to open a tunnel."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.proxy = FakeEndpoint(at_once=at_once)
        self.results: list[Any] = []
        endpoint = TunnelEndpoint(self.proxy, "sts.us-east-1.amazonaws.com", 443)
        self.opening = endpoint.connect(Factory.forProtocol(Inner))
        self.opening.addBoth(self.results.append)

    def answer(self, *parts: bytes) -> Any:
        """Let the proxy respond, and return the result of the attempt."""
        for part in parts:
            self.transport.protocol.dataReceived(part)
        return self.results[0] if self.results else None

    @property
    def transport(self) -> Any:
        return self.proxy.transports[0]


@pytest.fixture
def tunnel() -> Tunnel:
    return Tunnel()


def test_the_tunnel_is_asked_for_by_name(tunnel: Tunnel) -> None:
    """The proxy learns STS's name and port, and nothing else."""
    assert tunnel.transport.value() == (
        b"CONNECT sts.us-east-1.amazonaws.com:443 HTTP/1.1\r\nHost: sts.us-east-1.amazonaws.com:443\r\n\r\n"
    )
    assert tunnel.results == []


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_through_an_open_tunnel_bytes_pass_as_they_are(tunnel: Tunnel, size: int) -> None:
    """After the proxy's 200, in pieces of any size, the tunnel belongs to the protocol inside."""
    inner = tunnel.answer(*(ESTABLISHED[at : at + size] for at in range(0, len(ESTABLISHED), size)))
    assert isinstance(inner, Inner)
    assert tunnel.transport.value().endswith(b"\r\n\r\nhello")
    tunnel.transport.protocol.dataReceived(b"from the other side")
    assert inner.received == b"from the other side"
    tunnel.transport.end()
    assert inner.lost == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
        b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nLocation: http://elsewhere\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        ESTABLISHED + b"\x16\x03\x03 bytes before the client's hello",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000,
    ],
)
def test_a_proxy_that_says_anything_else_is_left(tunnel: Tunnel, answer: bytes) -> None:
    """Any response but a clean 200 closes the connection, and no data passes."""
    failure = tunnel.answer(answer)
    assert failure.check(ProxyRefused)
    assert tunnel.transport.aborted
    assert b"hello" not in tunnel.transport.value()


def test_a_proxy_that_hangs_up_is_told(tunnel: Tunnel) -> None:
    """A proxy that closes before its response has refused."""
    tunnel.answer(ESTABLISHED[:-1])
    tunnel.transport.end()
    assert tunnel.results[0].check(ProxyRefused)


def test_giving_up_ends_the_connection(tunnel: Tunnel) -> None:
    """Cancelling while the proxy decides leaves no connection behind."""
    tunnel.opening.cancel()
    assert tunnel.transport.aborted
    assert tunnel.results[0].check(CancelledError)


def test_giving_up_while_connecting_ends_the_attempt() -> None:
    """Cancelling before the proxy is reached leaves no attempt behind."""
    tunnel = Tunnel(at_once=False)
    tunnel.opening.cancel()
    assert tunnel.proxy.cancelled == 1
    assert tunnel.results[0].check(CancelledError)


def test_a_proxy_that_is_not_there_is_told_as_such() -> None:
    """The reason for an unreachable proxy is passed on."""
    tunnel = Tunnel(at_once=False)
    tunnel.proxy.fail(Refused())
    assert tunnel.results[0].check(Refused)
