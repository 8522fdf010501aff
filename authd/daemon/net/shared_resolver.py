"""One look-up of a name for all who want to know it meanwhile.

A cluster whose nodes all come back at once opens many connections to the same STS host at the same moment. Each would
ask the resolver for itself, in a thread of its own, which can't be called back where the resolver hangs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer

#: Whoever comes later than this, in seconds, asks anew: a look-up that hangs holds up nobody for longer.
SHARED_SECONDS = 2.0


@implementer(IHostResolution, IResolutionReceiver)
class _LookUp:
    """A look-up under way, and who waits for it."""

    def __init__(self, name: str, began: float, ended: Callable[[_LookUp], None]) -> None:
        self.name = name
        self.began = began
        self._ended = ended
        self._waiting: list[IResolutionReceiver] = []
        self._addresses: list[IAddress] = []

    def join(self, receiver: IResolutionReceiver) -> None:
        self._waiting.append(receiver)
        receiver.resolutionBegan(self)

    def cancel(self) -> None:
        raise NotImplementedError("others wait for it too")

    def resolutionBegan(self, _: IHostResolution) -> None:
        """Be told what is known already."""

    def addressResolved(self, address: IAddress) -> None:
        self._addresses.append(address)

    def resolutionComplete(self) -> None:
        self._ended(self)
        for receiver in self._waiting:
            for address in self._addresses:
                receiver.addressResolved(address)
            receiver.resolutionComplete()


@implementer(IHostnameResolver)
class SharedResolver:
    """Asks another resolver, once for all who ask the same until it answers; `seconds` is a monotonic clock."""

    def __init__(self, resolver: IHostnameResolver, seconds: Callable[[], float]) -> None:
        self._resolver = resolver
        self._seconds = seconds
        self._under_way: dict[Any, _LookUp] = {}

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Join the look-up of the same name, or begin one; see `IHostnameResolver`."""
        question = (hostName, portNumber, addressTypes and tuple(addressTypes), transportSemantics)
        look_up = self._under_way.get(question)
        if look_up is not None and self._seconds() - look_up.began < SHARED_SECONDS:
            look_up.join(resolutionReceiver)
            return look_up

        def ended(it: _LookUp) -> None:
            if self._under_way.get(question) is it:
                del self._under_way[question]

        look_up = self._under_way[question] = _LookUp(hostName, self._seconds(), ended)
        look_up.join(resolutionReceiver)
        self._resolver.resolveHostName(look_up, *question)
        return look_up
