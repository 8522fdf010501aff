"""The emulator as a server: TLS on a loopback address, with faults on demand."""

from __future__ import annotations

import ipaddress
import time
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted.protocols.tls import TLSMemoryBIOFactory

from authd.emulator.connections import AcceptingFactory, EmulatorFactory
from authd.emulator.directory.errors import EmulatorError
from authd.emulator.faults.faulty_sts import FaultySTS
from authd.emulator.faults.plan import Fault, Injection, Phase
from authd.emulator.tls import ServerTLS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twisted.internet.interfaces import IListeningPort

    from authd.emulator.directory.directory import Directory
    from authd.emulator.faults.counters import Counters
    from authd.emulator.sts.hosts import HostRegions
    from authd.emulator.sts.request import WireRequest

IDLE_TIMEOUT_SECONDS: Final = 60.0


class STSEmulator:
    """An STS over TLS on a loopback address, with faults on demand.

    `now` returns seconds since 1970. `interface` must be a loopback address, `port` 0 picks a free one.
    `with_control` serves the control endpoint as well. Raises `EmulatorError` for an unusable
    certificate or interface.
    """

    def __init__(
        self,
        reactor: Any,
        directory: Directory,
        *,
        certificate_chain_pem: bytes,
        key_pem: bytes,
        now: Callable[[], float] = time.time,
        hosts: HostRegions | None = None,
        interface: str = "127.0.0.1",
        port: int = 0,
        with_control: bool = False,
        idle_timeout: float = IDLE_TIMEOUT_SECONDS,
    ) -> None:
        self._faulty = FaultySTS(directory, now=now, hosts=hosts)
        tls = ServerTLS(certificate_chain_pem, key_pem)
        http = EmulatorFactory(self._faulty, reactor, with_control=with_control, idle_timeout=idle_timeout)
        # Every timer runs on this reactor, so an emulator works in a thread with a reactor of its own.
        self._factory = AcceptingFactory(
            self._faulty, TLSMemoryBIOFactory(tls, isClient=False, wrappedFactory=http, clock=reactor)
        )
        self._endpoint = _loopback_endpoint(reactor, interface, port)
        self._listening: IListeningPort | None = None

    def start(self) -> Deferred[None]:
        """Listen. Fails with Twisted's CannotListenError if the port is taken."""
        return Deferred.fromCoroutine(self._start())

    def stop(self) -> Deferred[None]:
        """Stop listening and reset every open connection. Fires when all are closed."""
        return Deferred.fromCoroutine(self._stop())

    @property
    def port(self) -> int:
        """The listening port. Raises `EmulatorError` before `start` and after `stop`."""
        if self._listening is None:
            raise EmulatorError("the emulator is not listening")
        address: Any = self._listening.getHost()
        return int(address.port)

    @property
    def directory(self) -> Directory:
        """The directory. A newly assigned one applies from the next request."""
        return self._faulty.sts.directory

    @directory.setter
    def directory(self, directory: Directory) -> None:
        self._faulty.sts.directory = directory

    @property
    def clock_offset(self) -> float:
        """Seconds added to the clock, from the next request on."""
        return self._faulty.clock_offset

    @clock_offset.setter
    def clock_offset(self, seconds: float) -> None:
        self._faulty.clock_offset = seconds

    @property
    def requests(self) -> Sequence[WireRequest]:
        """The last requests as received, oldest first."""
        return tuple(self._faulty.seen)

    @property
    def counters(self) -> Counters:
        """The counters."""
        return self._faulty.counters()

    def inject(self, fault: Fault, *, phase: Phase | None = None, times: int | None = None, **settings: Any) -> None:
        """Apply a fault to the next connections or requests. The settings and errors are those of `Injection`."""
        self.plan(Injection(fault=fault, phase=phase, times=times, **settings))

    def plan(self, injection: Injection) -> None:
        """Add an injection."""
        self._faulty.plan.add(injection)

    def clear(self) -> None:
        """Remove all faults."""
        self._faulty.plan.clear()

    async def _start(self) -> None:
        self._listening = await self._endpoint.listen(self._factory)

    async def _stop(self) -> None:
        if self._listening is not None:
            listening, self._listening = self._listening, None
            await maybeDeferred(listening.stopListening)
        await self._factory.end_all()


def _loopback_endpoint(reactor: Any, interface: str, port: int) -> TCP4ServerEndpoint | TCP6ServerEndpoint:
    try:
        address = ipaddress.ip_address(interface)
    except ValueError:
        raise EmulatorError(f"{interface!r} is not an IP address") from None
    if not address.is_loopback:
        raise EmulatorError(f"{interface} is not a loopback address; the emulator listens nowhere else")
    endpoint = TCP4ServerEndpoint if isinstance(address, ipaddress.IPv4Address) else TCP6ServerEndpoint
    return endpoint(reactor, port, interface=interface)
