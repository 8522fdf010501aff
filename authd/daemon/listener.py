"""The webhook's listening port: TLS, a cap on connections, and an end that leaves nobody without an answer."""

from __future__ import annotations

from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IListeningPort, IStreamServerEndpoint
from twisted.python.failure import Failure

from authd.daemon.http.deadlines import SWEEP_SECONDS
from authd.daemon.net.server_tls import SwappableServerTLS
from authd.daemon.net.tls import TLSFactory
from authd.daemon.webhook import WebhookFactory

#: Connections at once. One costs some 50 KB; a kube-apiserver opens one for each review under way.
MAX_CONNECTIONS = 1_024

#: On the way down: how long clients may send a last request on connections that are open.
_DRAIN_SECONDS = 1.0
#: And how long reviews under way may take after that; longer than the STS client's longest deadline.
_REVIEW_SECONDS = 31.0
#: And how long the last answers may take to be sent, before what is still open is cut off.
_SEND_SECONDS = 1.0
_POLL_SECONDS = 0.02


class _CappedTLS(TLSFactory):
    """Encrypts and counts connections, and makes room for a new one by ending one that waits for its client."""

    def __init__(self, tls: SwappableServerTLS, webhook: WebhookFactory, limit: int) -> None:
        super().__init__(tls, webhook)
        self._webhook = webhook
        self._limit = limit

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Take a connection, or close it if all others are under review."""
        # One that is ended is gone in the reactor's next turn: until then there is one too many.
        if len(self.protocols) >= self._limit and not self._webhook.deadlines.make_room():
            return None
        return super().buildProtocol(addr)


class WebhookListener:
    """Serves a webhook on an endpoint, over TLS."""

    def __init__(self, reactor: Any, webhook: WebhookFactory, tls: SwappableServerTLS) -> None:
        self._reactor = reactor
        self._webhook = webhook
        self._factory = _CappedTLS(tls, webhook, MAX_CONNECTIONS)
        self._sweeping = task.LoopingCall(webhook.deadlines.sweep)
        self._sweeping.clock = reactor
        self._port: IListeningPort | None = None

    def listen(self, endpoint: IStreamServerEndpoint) -> IListeningPort:
        """Listen, or raise what was in the way; a port that is not open now never will be."""
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
        """How many connections are open."""
        return len(self._factory.protocols)

    async def stop(self) -> None:
        """Close the port, answer what is under review or comes on open connections in a last second, and end."""
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
