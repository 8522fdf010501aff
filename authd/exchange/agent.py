"""A Twisted agent for one HTTP exchange over its own connection, which can be aborted at any time.

Responses must have no content encoding, and the size of their head is bounded.
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

from authd.exchange.errors import InvalidResponse

#: Larger than a usual head together with the first read of the body after it.
_MAX_HEAD_BYTES = 256 * 1024


@implementer(IBodyProducer)
class Body:
    """A request's body in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Write the whole body."""
        consumer.write(self._data)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Do nothing, because the body is written already."""

    def resumeProducing(self) -> None:
        """Do nothing, as above."""

    def stopProducing(self) -> None:
        """Do nothing, as above."""


# Otherwise Twisted logs each start and stop of a factory, two lines for each call.
_HTTP11ClientFactory.noisy = False


class _Connection(ProtocolWrapper):
    """Counts the bytes received before the response's head is complete."""

    transport: Any
    head_bytes = 0
    in_head = True

    def writeSequence(self, data: Any) -> None:
        """Join the data for `write`: the inherited method would bypass layers that implement only `write`."""
        self.write(b"".join(data))

    def dataReceived(self, data: bytes) -> None:
        """Pass data on, and abort the connection if the head is too long."""
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
    """Connects once, and stores the connection."""

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint
        self.connection: Any = None

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return this endpoint, whatever the URI is."""
        return self

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """Open the connection."""
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
        """Send the request without treq's header `Accept-Encoding`."""
        sent = Headers() if headers is None else headers.copy()
        sent.removeHeader(b"accept-encoding")
        sending: Deferred[IResponse] = self._agent.request(method, uri, sent, bodyProducer)
        return sending.addCallback(self._head_complete)

    def abort(self) -> None:
        """Abort the connection, if there is one."""
        if self._endpoint.connection is not None:
            self._endpoint.connection.transport.abortConnection()

    def _head_complete(self, response: IResponse) -> IResponse:
        self._endpoint.connection.in_head = False
        if response.headers.hasHeader(b"content-encoding"):
            raise InvalidResponse("the server sent an encoded body, which was not asked for")
        return response
