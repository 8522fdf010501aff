"""One HTTP exchange over a connection of its own that can be aborted at any time.

treq sends through it. A response must be plain (no content encoding), and its head is bounded.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer, IProtocolFactory, IStreamClientEndpoint
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.client import URI, Agent, HTTPConnectionPool, _HTTP11ClientFactory
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from authd.exchange.errors import BadAnswer

#: More than a head and the first read of the body behind it.
_MAX_HEAD_BYTES = 256 * 1024


@implementer(IBodyProducer)
class Body:
    """A request's body that is here already."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Write it all."""
        consumer.write(self._data)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Have nothing to pause."""

    def resumeProducing(self) -> None:
        """Have nothing to resume."""

    def stopProducing(self) -> None:
        """Have nothing to stop."""


# Twisted logs each start and stop of a factory otherwise, two lines for each call.
_HTTP11ClientFactory.noisy = False


class _Connection(ProtocolWrapper):
    """Counts what arrives before the response's head is complete."""

    transport: Any
    head_bytes = 0
    in_head = True

    def writeSequence(self, data: Any) -> None:
        """Write through TLS: the wrapper's own would pass by any layer that has only `write`."""
        self.write(b"".join(data))

    def dataReceived(self, data: bytes) -> None:
        """Hand on, up to the limit."""
        if self.in_head:
            self.head_bytes += len(data)
            if self.head_bytes > _MAX_HEAD_BYTES:
                self.transport.abortConnection()
                return
        super().dataReceived(data)


class _Connections(WrappingFactory[_Connection]):
    protocol = _Connection
    noisy = False


@implementer(IStreamClientEndpoint, IAgentEndpointFactory)
class _Endpoint:
    """Connects once, and keeps the connection at hand."""

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint
        self.connection: Any = None

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return this one, wherever the URI leads."""
        return self

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """Connect."""
        return self._endpoint.connect(_Connections(protocolFactory)).addCallback(self._connected)

    def _connected(self, connection: Any) -> Any:
        self.connection = connection
        connection.transport.setTcpKeepAlive(True)
        return connection.wrappedProtocol


@implementer(IAgent)
class Exchange:
    """Sends one request."""

    def __init__(self, reactor: Any, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = _Endpoint(endpoint)
        pool = HTTPConnectionPool(reactor, persistent=False)
        self._agent = Agent.usingEndpointFactory(reactor, self._endpoint, pool)

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Send the request; treq's wish for an encoded answer is left out."""
        sent = Headers() if headers is None else headers.copy()
        sent.removeHeader(b"accept-encoding")
        sending: Deferred[IResponse] = self._agent.request(method, uri, sent, bodyProducer)
        return sending.addCallback(self._head_complete)

    def abort(self) -> None:
        """End the connection at once, if there is one."""
        if self._endpoint.connection is not None:
            self._endpoint.connection.transport.abortConnection()

    def _head_complete(self, response: IResponse) -> IResponse:
        self._endpoint.connection.in_head = False
        if response.headers.hasHeader(b"content-encoding"):
            raise BadAnswer("the server sent an encoded body, which was not asked for")
        return response
