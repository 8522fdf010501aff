"""Shares one look-up of a host name among all concurrent callers.

If many nodes of a cluster return at once, the daemon opens many connections to one STS host in the same moment. Each
look-up would take a thread of its own, and a thread can't be cancelled if the resolver hangs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer

#: A look-up older than this, in seconds, is not shared. This bounds the delay by a hanging one.
SHARED_SECONDS = 2.0


@implementer(IHostResolution, IResolutionReceiver)
class _LookUp:
    """A look-up in progress, with its waiting receivers."""

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
        raise NotImplementedError("other receivers share this look-up")

    def resolutionBegan(self, _: IHostResolution) -> None:
        """Do nothing, because `join` has called each receiver's `resolutionBegan`."""

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
    """Calls another resolver once for all equal queries in progress. `seconds` is a monotonic clock."""

    def __init__(self, resolver: IHostnameResolver, seconds: Callable[[], float]) -> None:
        self._resolver = resolver
        self._seconds = seconds
        self._in_progress: dict[Any, _LookUp] = {}

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Join the look-up of the same query, or start one. See `IHostnameResolver`."""
        query = (hostName, portNumber, addressTypes and tuple(addressTypes), transportSemantics)
        look_up = self._in_progress.get(query)
        if look_up is not None and self._seconds() - look_up.began < SHARED_SECONDS:
            look_up.join(resolutionReceiver)
            return look_up

        def ended(it: _LookUp) -> None:
            if self._in_progress.get(query) is it:
                del self._in_progress[query]

        look_up = self._in_progress[query] = _LookUp(hostName, self._seconds(), ended)
        look_up.join(resolutionReceiver)
        self._resolver.resolveHostName(look_up, *query)
        return look_up
