"""The listening port: its connection limit, and a shutdown that leaves no review unanswered."""

from __future__ import annotations

from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.protocols.policies import ProtocolWrapper
from zope.interface import implementer

from authd.core.decision import ALLOWED, Decision
from authd.core.token_review import ReviewEncoder
from authd.daemon import listener
from authd.daemon.http.deadlines import SWEEP_SECONDS
from authd.daemon.http.server import REQUEST_SECONDS
from authd.daemon.listener import WebhookListener
from authd.daemon.net.server_tls import SwappableServerTLS
from authd.daemon.webhook import WebhookFactory
from tests.daemon.fakes import Records, ScriptedAuthenticator, StrictTransport, decision, review_bytes


def any_tls() -> SwappableServerTLS:
    """Return TLS options. No test here uses them."""
    return SwappableServerTLS(SSL.Context(SSL.TLS_SERVER_METHOD))


class Port:
    """An open port that closes asynchronously."""

    def __init__(self) -> None:
        self.closing: Deferred[None] | None = None

    def stopListening(self) -> Deferred[None]:
        assert self.closing is None, "closed twice"
        self.closing = Deferred()
        return self.closing


@implementer(IStreamServerEndpoint)
class Endpoint:
    """An endpoint that listens, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.port = Port()
        self.factory: Any = None
        self._error = error

    def listen(self, protocolFactory: Factory) -> Deferred[Port]:
        self.factory = protocolFactory
        return succeed(self.port) if self._error is None else fail(self._error)


class Listening:
    """A listener on a port in memory."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.authenticator = ScriptedAuthenticator()
        self.webhook = WebhookFactory(self.clock, self.authenticator, Records(), ReviewEncoder)
        self.listener = WebhookListener(self.clock, self.webhook, any_tls())
        self.endpoint = Endpoint()
        self.listener.listen(self.endpoint)

    def connect(self) -> StrictTransport | None:
        """Connect a client. Returns None if the connection is closed at once."""
        protocol = self.endpoint.factory.buildProtocol(None)
        if protocol is None:
            return None
        transport = StrictTransport()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return transport

    def stop(self) -> list[Any]:
        stopped: list[Any] = []
        Deferred.fromCoroutine(self.listener.stop()).addBoth(stopped.append)
        closing = self.endpoint.port.closing
        if closing is not None and not closing.called:
            assert stopped == []
            closing.callback(None)
        return stopped

    def advance(self, seconds: float) -> None:
        self.clock.pump([0.02] * round(seconds / 0.02))


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "MAX_CONNECTIONS", 2)
    monkeypatch.setattr(listener._CappedTLS, "protocol", ProtocolWrapper)  # without TLS the data passes unchanged


@pytest.fixture
def listening() -> Listening:
    return Listening()


def review() -> bytes:
    body = review_bytes()
    return b"POST /authenticate HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def _unbound() -> tuple[Clock, WebhookListener]:
    """Return a listener that has no port yet."""
    clock = Clock()
    webhook = WebhookFactory(clock, ScriptedAuthenticator(), Records(), ReviewEncoder)
    return clock, WebhookListener(clock, webhook, any_tls())


def test_an_error_of_the_endpoint_is_raised() -> None:
    """The endpoint's error is raised, and the listener does not start."""
    clock, listener = _unbound()
    error = CannotListenError("127.0.0.1", 8443, OSError(98, "Address already in use"))
    with pytest.raises(CannotListenError):
        listener.listen(Endpoint(error))
    assert clock.getDelayedCalls() == []


def test_at_the_limit_the_longest_idle_connection_is_closed(listening: Listening) -> None:
    """A new connection above the limit is accepted, and the longest idle one is closed for it."""
    first, second = listening.connect(), listening.connect()
    listening.clock.advance(1)
    assert first is not None
    assert second is not None
    first.protocol.dataReceived(review())
    third = listening.connect()
    assert third is not None
    assert (first.aborted, second.aborted) == (False, True)
    assert listening.listener.connections == 2


def test_at_the_limit_without_idle_connections_new_ones_are_closed(listening: Listening) -> None:
    """If no connection is idle, a new one is refused."""
    listening.authenticator.answer = lambda _: Deferred()
    for _ in range(2):
        transport = listening.connect()
        assert transport is not None
        transport.protocol.dataReceived(review())
    assert listening.connect() is None


def test_a_burst_of_connections_closes_each_idle_one_once(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is being closed makes room for only one new connection."""
    monkeypatch.setattr(StrictTransport, "end", lambda *_: None)  # an aborted connection is gone a moment later
    transports = []
    for _ in range(4):
        transports.append(listening.connect())
        listening.clock.advance(0.01)
    assert [transport is not None and transport.aborted for transport in transports] == [True, True, False, False]


def test_deadlines_are_enforced(listening: Listening) -> None:
    """Connections with an expired deadline are closed while the port is open."""
    transport = listening.connect()
    assert transport is not None
    listening.clock.advance(REQUEST_SECONDS + SWEEP_SECONDS)
    assert transport.aborted
    assert listening.listener.connections == 0


def test_shutdown_waits_for_reviews_in_progress(listening: Listening) -> None:
    """At shutdown the port is closed, and a review in progress gets its response."""
    pending: Deferred[Decision] = Deferred()
    listening.authenticator.answer = lambda _: pending
    transport = listening.connect()
    assert transport is not None
    transport.protocol.dataReceived(review())
    stopped = listening.stop()
    assert listening.endpoint.port.closing is not None
    listening.advance(10)
    assert stopped == []
    pending.callback(decision(ALLOWED))
    listening.clock.advance(0)
    assert b"Connection: close" in transport.value()
    listening.advance(0.5)
    assert (stopped, transport.aborted) == ([], False)  # the response is still to be sent
    transport.end()
    listening.advance(0.1)
    assert stopped == [None]
    assert listening.clock.getDelayedCalls() == []


def test_a_client_that_does_not_read_the_last_response_is_disconnected(listening: Listening) -> None:
    """The shutdown waits a bounded time for the last responses to be sent."""
    transport = listening.connect()
    assert transport is not None
    stopped = listening.stop()
    transport.protocol.dataReceived(review())
    listening.advance(3)
    assert (stopped, transport.aborted) == ([None], True)


def test_idle_connections_are_closed_at_shutdown(listening: Listening) -> None:
    """An idle connection is closed, not aborted, at the end of the grace period."""
    transport = listening.connect()
    assert transport is not None
    stopped = listening.stop()
    listening.advance(1.1)
    assert (transport.disconnecting, transport.aborted, stopped) == (True, False, [])
    transport.end()
    listening.advance(0.1)
    assert stopped == [None]


def test_a_request_during_the_grace_period_is_answered(listening: Listening) -> None:
    """A client on an open connection may still send a review during the grace period.

    Its response says `Connection: close`.
    """
    transport = listening.connect()
    assert transport is not None
    stopped = listening.stop()
    listening.advance(0.5)
    transport.protocol.dataReceived(review())
    listening.clock.advance(0)
    assert b"200 OK" in transport.value()
    assert b"Connection: close" in transport.value()
    transport.end()
    listening.advance(0.1)
    assert stopped == [None]


def test_shutdown_is_bounded(listening: Listening) -> None:
    """A review that never ends does not block the shutdown."""
    listening.authenticator.answer = lambda _: Deferred()
    transport = listening.connect()
    assert transport is not None
    transport.protocol.dataReceived(review())
    stopped = listening.stop()
    listening.advance(40)
    assert stopped == [None]
    assert transport.aborted


def test_shutdown_without_connections_is_immediate(listening: Listening) -> None:
    """Without connections the shutdown ends at once. A second stop is harmless."""
    assert listening.stop() == [None]
    assert listening.stop() == [None]
    assert listening.clock.getDelayedCalls() == []


def test_a_port_that_was_never_open_can_be_stopped() -> None:
    """Stopping a listener that never started does nothing."""
    _, listener = _unbound()
    results: list[Any] = []
    Deferred.fromCoroutine(listener.stop()).addBoth(results.append)
    assert results == [None]
