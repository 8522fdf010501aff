"""Accepted connections: served, or subject to a fault before TLS begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory

from authd.emulator.channel import EmulatorChannel
from authd.emulator.control import PREFIX, control
from authd.emulator.faults.plan import Fault
from authd.emulator.faults.steps import Send, Step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twisted.internet.interfaces import IAddress, IProtocolFactory, IReactorTime
    from twisted.web.http import Request

    from authd.emulator.faults.faulty_sts import FaultySTS
    from authd.emulator.sts.request import WireRequest


class EmulatorFactory(ServerFactory):
    """Builds the HTTP side of a connection. `idle_timeout` is in seconds."""

    noisy = False

    def __init__(self, faulty: FaultySTS, clock: IReactorTime, *, with_control: bool, idle_timeout: float) -> None:
        self.clock = clock
        self._faulty = faulty
        self._with_control = with_control
        self._idle_timeout = idle_timeout

    def buildProtocol(self, addr: IAddress | None) -> EmulatorChannel:
        """Build a connection with the factory's clock for its timers."""
        channel = EmulatorChannel(self.clock, self._idle_timeout)
        channel.factory = self
        return channel

    def respond(self, channel: EmulatorChannel, request: WireRequest) -> Send | Iterable[Step]:
        """Return the response to a request of this connection, or its steps."""
        close = not channel.persistent
        if self._with_control and request.path.startswith(PREFIX):
            channel.may_idle = True
            return Send(control(self._faulty, request).encode(close=close))
        return self._faulty.respond(request, close=close)

    def log(self, request: Request) -> None:
        """Keep no access log: targets carry signatures."""


class FaultyConnection(Protocol):
    """A connection with a fault before TLS begins."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault

    def connectionMade(self) -> None:
        """Reset or close at once, or stay silent."""
        transport: Any = self.transport
        if self._fault is Fault.RESET:
            transport.abortConnection()
        elif self._fault is Fault.CLOSE:
            transport.loseConnection()


class AcceptingFactory(WrappingFactory):
    """Accepts connections below TLS, applies faults to them, and keeps the set of open ones."""

    noisy = False

    def __init__(self, faulty: FaultySTS, served: IProtocolFactory) -> None:
        super().__init__(served)
        self._faulty = faulty
        self._all_gone: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> ProtocolWrapper:
        """Count a connection and apply the next fault for connections."""
        injection = self._faulty.accept()
        if injection is not None:
            return ProtocolWrapper(self, FaultyConnection(injection.fault))
        return super().buildProtocol(addr)

    def unregisterProtocol(self, p: ProtocolWrapper) -> None:
        """Forget a closed connection."""
        super().unregisterProtocol(p)
        self._report_when_empty()

    def end_all(self) -> Deferred[None]:
        """Reset every open connection. Fires when all are closed."""
        all_gone: Deferred[None] = Deferred()
        self._all_gone = all_gone
        for connection in list(self.protocols):
            connection.abortConnection()
        self._report_when_empty()
        return all_gone

    def _report_when_empty(self) -> None:
        if self._all_gone is not None and not self.protocols:
            all_gone, self._all_gone = self._all_gone, None
            all_gone.callback(None)
