"""Sending at once what Twisted would send in the reactor's next turn: under load a turn is long."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import ITransport
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import directlyProvides, providedBy


class _PromptTransport:
    """A TCP connection that sends what is written as far as the network takes it.

    From the first time that it doesn't take everything, the reactor sends: so the order stays, and nothing is held
    twice.
    """

    def __init__(self, transport: Any) -> None:
        directlyProvides(self, providedBy(transport))
        self._transport = transport
        self._socket = transport.getHandle()
        self._reactor_sends = False

    def write(self, data: bytes) -> None:
        """Send; an error is left for the reactor, which sees it too."""
        if self._reactor_sends:
            self._transport.write(data)
            return
        try:
            sent = self._socket.send(data)
        except OSError:
            sent = 0
        if sent < len(data):
            self._reactor_sends = True
            self._transport.write(data[sent:])

    def __getattr__(self, name: str) -> Any:
        """Leave everything else to the connection."""
        return getattr(self._transport, name)


class _PromptTLS(TLSMemoryBIOProtocol):
    def makeConnection(self, transport: ITransport) -> None:  # noqa: N802  # Twisted's name
        """Shake hands."""
        super().makeConnection(_PromptTransport(transport))


class PromptTLSFactory(TLSMemoryBIOFactory):
    """Makes TLS connections over TCP whose records are sent as soon as they are made.

    What is written is one record for each write: buffering would only cost a turn.
    """

    protocol = _PromptTLS
