"""Concurrent callers share one look-up of a host name, for a bounded time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from twisted.internet.task import Clock
from zope.interface import implementer
from zope.interface.verify import verifyObject

from authd.daemon.net.shared_resolver import SHARED_SECONDS, SharedResolver

HOST = "sts.us-east-1.amazonaws.com"
ADDRESSES = [IPv4Address("TCP", "192.0.2.1", 443), IPv6Address("TCP", "2001:db8::1", 443)]


@implementer(IHostnameResolver)
class Resolver:
    """A resolver that responds when the test calls `respond`, and collects its queries."""

    def __init__(self) -> None:
        self.queries: list[tuple[object, ...]] = []
        self.receivers: list[IResolutionReceiver] = []

    def resolveHostName(
        self,
        receiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IResolutionReceiver:
        verifyObject(IResolutionReceiver, receiver)
        self.queries.append((hostName, portNumber, addressTypes, transportSemantics))
        self.receivers.append(receiver)
        return receiver

    def respond(self, number: int = 0, addresses: Sequence[IAddress] = ADDRESSES) -> None:
        for address in addresses:
            self.receivers[number].addressResolved(address)
        self.receivers[number].resolutionComplete()


@implementer(IResolutionReceiver)
class Receiver:
    """Collects the results in order."""

    def __init__(self) -> None:
        self.results: list[object] = []

    def resolutionBegan(self, resolution: IHostResolution) -> None:
        verifyObject(IHostResolution, resolution)
        self.results.append(resolution.name)

    def addressResolved(self, address: IAddress) -> None:
        self.results.append(address)

    def resolutionComplete(self) -> None:
        self.results.append("complete")


class Rig:
    """A shared resolver, and the lookups below it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.resolver = Resolver()
        self.look_ups = SharedResolver(self.resolver, self.clock.seconds)
        verifyObject(IHostnameResolver, self.look_ups)

    def resolve(self, host: str = HOST, port: int = 443, types: Sequence[type[IAddress]] | None = None) -> list[object]:
        """Look a name up, and return the results."""
        receiver = Receiver()
        self.look_ups.resolveHostName(receiver, host, port, types)
        return receiver.results


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_simultaneous_callers_share_the_lookup(rig: Rig) -> None:
    """One lookup serves all callers, and each gets every result in order."""
    results = [rig.resolve() for _ in range(64)]
    assert rig.resolver.queries == [(HOST, 443, None, "TCP")]
    assert results == [[HOST]] * 64
    rig.resolver.respond()
    assert results == [[HOST, *ADDRESSES, "complete"]] * 64


def test_a_later_caller_starts_a_new_lookup(rig: Rig) -> None:
    """Results are not cached, because caching is the resolver's task."""
    rig.resolve()
    rig.resolver.respond()
    results = rig.resolve()
    assert len(rig.resolver.queries) == 2
    rig.resolver.respond(1, ADDRESSES[:1])
    assert results == [HOST, ADDRESSES[0], "complete"]


def test_a_failed_look_up_is_shared(rig: Rig) -> None:
    """A failed lookup fails for every caller that shares it."""
    results = [rig.resolve(), rig.resolve()]
    rig.resolver.respond(0, [])
    assert results == [[HOST, "complete"]] * 2


def test_other_queries_are_not_shared(rig: Rig) -> None:
    """Another name, port or address family is another lookup."""
    rig.resolve()
    rig.resolve("sts.eu-west-1.amazonaws.com")
    rig.resolve(port=8443)
    rig.resolve(types=[IPv4Address])
    rig.resolve(types=(IPv4Address,))
    assert [query[:2] for query in rig.resolver.queries] == [
        (HOST, 443),
        ("sts.eu-west-1.amazonaws.com", 443),
        (HOST, 8443),
        (HOST, 443),
    ]
    assert rig.resolver.queries[3][2] == (IPv4Address,)


def test_a_hanging_look_up_is_not_shared_for_long(rig: Rig) -> None:
    """After `SHARED_SECONDS` the next caller starts a new lookup. Each result reaches its own callers, in any order."""
    first = rig.resolve()
    rig.clock.advance(SHARED_SECONDS - 0.1)
    second = rig.resolve()
    rig.clock.advance(0.1)
    third, fourth = rig.resolve(), rig.resolve()
    assert len(rig.resolver.queries) == 2
    rig.resolver.respond(0, ADDRESSES[:1])
    assert first == second == [HOST, ADDRESSES[0], "complete"]
    assert third == fourth == [HOST]
    fifth = rig.resolve()
    assert len(rig.resolver.queries) == 2
    rig.resolver.respond(1, ADDRESSES[1:])
    assert third == fourth == fifth == [HOST, ADDRESSES[1], "complete"]


def test_a_synchronous_result(rig: Rig) -> None:
    """A result that arrives during the call is delivered like any other."""
    rig.resolver.resolveHostName = lambda receiver, *_: receiver.resolutionComplete()
    assert rig.resolve() == rig.resolve() == [HOST, "complete"]


def test_a_shared_lookup_is_not_cancelled(rig: Rig) -> None:
    """One of several callers can't cancel the lookup."""
    resolution = rig.look_ups.resolveHostName(Receiver(), HOST)
    with pytest.raises(NotImplementedError):
        resolution.cancel()
