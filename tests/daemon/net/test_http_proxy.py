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

    def respond(self, *parts: bytes) -> Any:
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


def test_connect_names_the_host_and_port(tunnel: Tunnel) -> None:
    """CONNECT contains only STS's name and port."""
    assert tunnel.transport.value() == (
        b"CONNECT sts.us-east-1.amazonaws.com:443 HTTP/1.1\r\nHost: sts.us-east-1.amazonaws.com:443\r\n\r\n"
    )
    assert tunnel.results == []


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_open_tunnel_passes_bytes_unchanged(tunnel: Tunnel, size: int) -> None:
    """After the proxy's 200, in pieces of any size, bytes are passed to and from the inner protocol."""
    inner = tunnel.respond(*(ESTABLISHED[at : at + size] for at in range(0, len(ESTABLISHED), size)))
    assert isinstance(inner, Inner)
    assert tunnel.transport.value().endswith(b"\r\n\r\nhello")
    tunnel.transport.protocol.dataReceived(b"from the other side")
    assert inner.received == b"from the other side"
    tunnel.transport.end()
    assert inner.lost == 1


@pytest.mark.parametrize(
    "response",
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
def test_other_responses_close_the_connection(tunnel: Tunnel, response: bytes) -> None:
    """Any response other than a clean 200 closes the connection, and no data is passed on."""
    failure = tunnel.respond(response)
    assert failure.check(ProxyRefused)
    assert tunnel.transport.aborted
    assert b"hello" not in tunnel.transport.value()


def test_a_proxy_that_closes_has_refused(tunnel: Tunnel) -> None:
    """If the proxy closes before its response, that is a refusal."""
    tunnel.respond(ESTABLISHED[:-1])
    tunnel.transport.end()
    assert tunnel.results[0].check(ProxyRefused)


def test_cancelling_closes_the_connection(tunnel: Tunnel) -> None:
    """Cancelling before the proxy's response closes the connection."""
    tunnel.opening.cancel()
    assert tunnel.transport.aborted
    assert tunnel.results[0].check(CancelledError)


def test_cancelling_while_connecting_cancels_the_attempt() -> None:
    """Cancelling during the connection to the proxy cancels that attempt."""
    tunnel = Tunnel(at_once=False)
    tunnel.opening.cancel()
    assert tunnel.proxy.cancelled == 1
    assert tunnel.results[0].check(CancelledError)


def test_a_failed_connection_to_the_proxy_is_passed_on() -> None:
    """The reason for an unreachable proxy is passed on."""
    tunnel = Tunnel(at_once=False)
    tunnel.proxy.fail(Refused())
    assert tunnel.results[0].check(Refused)
