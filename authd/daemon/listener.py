"""The webhook's listening port: TLS, a limit of connections, and a graceful shutdown."""

from __future__ import annotations

from typing import Any, Protocol

from OpenSSL import SSL
from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IListeningPort, IStreamServerEndpoint
from twisted.python.failure import Failure

from authd.daemon.http.deadlines import SWEEP_SECONDS
from authd.daemon.net.server_tls import SwappableServerTLS
from authd.daemon.net.tls import TLSBatches, TLSConnection, TLSFactory
from authd.daemon.webhook import WebhookFactory

#: Largest number of connections. One costs some 50 KB. kube-apiserver opens one for each review in flight.
MAX_CONNECTIONS = 1_024

#: At shutdown: the time in which clients may still send a request on open connections.
_DRAIN_SECONDS = 1.0
#: At shutdown: the time for reviews in flight after that. It exceeds the STS client's longest deadline.
_REVIEW_SECONDS = 31.0
#: At shutdown: the time for sending the last responses before connections are aborted.
_SEND_SECONDS = 1.0
_POLL_SECONDS = 0.02


class HandshakeRecorder(Protocol):
    """Records failed TLS handshakes."""

    def failed(self, peer: str, error: SSL.Error, /) -> None:
        """Record a failed handshake with a client at the address `peer`."""
        ...


class _CappedTLS(TLSFactory):
    """Encrypts and counts connections. At the limit, a new connection replaces an idle one."""

    def __init__(
        self,
        tls: SwappableServerTLS,
        webhook: WebhookFactory,
        limit: int,
        handshakes: HandshakeRecorder | None,
    ) -> None:
        super().__init__(tls, webhook, TLSBatches(webhook.turns))
        self._handshakes = handshakes
        self._webhook = webhook
        self._limit = limit

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Accept a connection. At the limit, close it if all others have a review in flight."""
        # A closed connection is removed in the reactor's next turn. Until then the limit is exceeded by one.
        if len(self.protocols) >= self._limit and not self._webhook.deadlines.make_room():
            return None
        return super().buildProtocol(addr)

    def handshake_failed(self, connection: TLSConnection, error: SSL.Error) -> None:
        """Record a failed handshake with its client's address."""
        if self._handshakes is not None:
            peer = connection.getPeer()
            self._handshakes.failed(str(getattr(peer, "host", "an unknown address")), error)


class WebhookListener:
    """Serves a webhook on an endpoint, over TLS."""

    def __init__(
        self,
        reactor: Any,
        webhook: WebhookFactory,
        tls: SwappableServerTLS,
        handshakes: HandshakeRecorder | None = None,
    ) -> None:
        self._reactor = reactor
        self._webhook = webhook
        self._factory = _CappedTLS(tls, webhook, MAX_CONNECTIONS, handshakes)
        self._sweeping = task.LoopingCall(webhook.deadlines.sweep)
        self._sweeping.clock = reactor
        self._port: IListeningPort | None = None

    def listen(self, endpoint: IStreamServerEndpoint) -> IListeningPort:
        """Listen on the endpoint. Raises its error, because there is no retry."""
        outcome: list[Any] = []
        endpoint.listen(self._factory).addBoth(outcome.append)
        if isinstance(outcome[0], Failure):
            outcome[0].raiseException()
        self._port = outcome[0]
        self._sweeping.start(SWEEP_SECONDS, now=False)
        assert self._port is not None
        return self._port

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._factory.protocols)

    async def stop(self) -> None:
        """Close the port, respond to reviews in flight and requests of the next second, then close all connections."""
        if self._port is None:
            return
        port, self._port = self._port, None
        closing: Deferred[Any] | None = port.stopListening()
        if closing is not None:
            await closing
        self._webhook.draining = True
        await self._wait(_DRAIN_SECONDS, lambda: not self._webhook.deadlines)
        await self._wait(_REVIEW_SECONDS, lambda: not self._webhook.under_review)
        self._webhook.deadlines.close_all()
        await self._wait(_SEND_SECONDS, lambda: not self._webhook.deadlines)
        self._sweeping.stop()
        self._webhook.deadlines.end_all()

    async def _wait(self, seconds: float, done: Any) -> None:
        limit = self._reactor.seconds() + seconds
        while not done() and self._reactor.seconds() < limit:
            await task.deferLater(self._reactor, _POLL_SECONDS)
