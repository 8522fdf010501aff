"""An endpoint for a tunnel through an HTTP proxy by CONNECT (RFC 9110, section 9.3.6)."""

from __future__ import annotations

import re

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

#: In bytes. A response to CONNECT has a few short headers.
_MAX_RESPONSE = 4096
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")
_ESTABLISHED = re.compile(rb"HTTP/1\.[01] 200[ \r]")


class ProxyRefused(ConnectError):
    """The proxy did not open the tunnel."""

    def __init__(self, message: str) -> None:
        super().__init__(string=message)


class _Connect(Protocol):
    """Sends CONNECT, then hands the transport to the protocol that uses the tunnel."""

    transport: ITCPTransport

    def __init__(self, target: str, factory: IProtocolFactory, opened: Deferred[IProtocol]) -> None:
        self._target = target
        self._factory = factory
        self._opened: Deferred[IProtocol] | None = opened
        self._response = b""

    def connectionMade(self) -> None:
        """Send CONNECT."""
        self.transport.write(f"CONNECT {self._target} HTTP/1.1\r\nHost: {self._target}\r\n\r\n".encode("ascii"))

    def dataReceived(self, data: bytes) -> None:
        """Collect the proxy's response. Bytes after it are an error."""
        self._response += data
        head, end, rest = self._response.partition(b"\r\n\r\n")
        if not end and len(self._response) <= _MAX_RESPONSE:
            return
        # In TLS the client speaks first, so bytes after the response can't come from the server.
        if not end or rest or not _ESTABLISHED.match(head):
            status = _STATUS.match(head)
            self._fail(ProxyRefused(f"the proxy refused CONNECT{f' with {status[1].decode()}' if status else ''}"))
        else:
            self._hand_over()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fail if the tunnel is not open yet."""
        if self._opened is not None:
            self._fail(ProxyRefused("the proxy closed the connection"))

    def abort(self) -> None:
        """Close, because the caller has cancelled."""
        self._opened = None
        self.transport.abortConnection()

    def _hand_over(self) -> None:
        opened, self._opened = self._opened, None
        protocol = self._factory.buildProtocol(self.transport.getPeer())
        assert opened is not None
        assert protocol is not None
        self.transport.protocol = protocol  # type: ignore[attr-defined]  # TCP transports keep it here
        protocol.makeConnection(self.transport)
        opened.callback(protocol)

    def _fail(self, error: ProxyRefused) -> None:
        self.transport.abortConnection()
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.errback(error)


@implementer(IStreamClientEndpoint)
class TunnelEndpoint:
    """An endpoint for `host:port` through the proxy at another endpoint."""

    def __init__(self, proxy: IStreamClientEndpoint, host: str, port: int) -> None:
        self._proxy = proxy
        self._target = f"{host}:{port}"

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect to the proxy, open the tunnel, and connect a protocol through it."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        opened: Deferred[IProtocol] = Deferred(lambda _: connect.abort())
        connect = _Connect(self._target, factory, opened)
        tunnels = Factory.forProtocol(lambda: connect)
        tunnels.noisy = False  # otherwise Twisted logs its start and stop
        await self._proxy.connect(tunnels)
        return await opened
