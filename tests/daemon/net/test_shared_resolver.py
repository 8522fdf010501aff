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
    """A resolver that responds when the test calls `answer`, and collects its queries."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
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
        self.asked.append((hostName, portNumber, addressTypes, transportSemantics))
        self.receivers.append(receiver)
        return receiver

    def answer(self, number: int = 0, addresses: Sequence[IAddress] = ADDRESSES) -> None:
        for address in addresses:
            self.receivers[number].addressResolved(address)
        self.receivers[number].resolutionComplete()


@implementer(IResolutionReceiver)
class Receiver:
    """Collects the results in order."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def resolutionBegan(self, resolution: IHostResolution) -> None:
        verifyObject(IHostResolution, resolution)
        self.told.append(resolution.name)

    def addressResolved(self, address: IAddress) -> None:
        self.told.append(address)

    def resolutionComplete(self) -> None:
        self.told.append("complete")


class Asked:
    """A shared resolver, and the lookups below it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.resolver = Resolver()
        self.look_ups = SharedResolver(self.resolver, self.clock.seconds)
        verifyObject(IHostnameResolver, self.look_ups)

    def ask(self, host: str = HOST, port: int = 443, types: Sequence[type[IAddress]] | None = None) -> list[object]:
        """Look a name up, and return the results."""
        receiver = Receiver()
        self.look_ups.resolveHostName(receiver, host, port, types)
        return receiver.told


@pytest.fixture
def asked() -> Asked:
    return Asked()


def test_simultaneous_callers_share_the_lookup(asked: Asked) -> None:
    """One lookup serves all callers, and each gets every result in order."""
    told = [asked.ask() for _ in range(64)]
    assert asked.resolver.asked == [(HOST, 443, None, "TCP")]
    assert told == [[HOST]] * 64
    asked.resolver.answer()
    assert told == [[HOST, *ADDRESSES, "complete"]] * 64


def test_a_later_caller_starts_a_new_lookup(asked: Asked) -> None:
    """Results are not cached, because caching is the resolver's task."""
    asked.ask()
    asked.resolver.answer()
    told = asked.ask()
    assert len(asked.resolver.asked) == 2
    asked.resolver.answer(1, ADDRESSES[:1])
    assert told == [HOST, ADDRESSES[0], "complete"]


def test_a_failed_look_up_is_shared(asked: Asked) -> None:
    """A failed lookup fails for every caller that shares it."""
    told = [asked.ask(), asked.ask()]
    asked.resolver.answer(0, [])
    assert told == [[HOST, "complete"]] * 2


def test_other_queries_are_not_shared(asked: Asked) -> None:
    """Another name, port or address family is another lookup."""
    asked.ask()
    asked.ask("sts.eu-west-1.amazonaws.com")
    asked.ask(port=8443)
    asked.ask(types=[IPv4Address])
    asked.ask(types=(IPv4Address,))
    assert [question[:2] for question in asked.resolver.asked] == [
        (HOST, 443),
        ("sts.eu-west-1.amazonaws.com", 443),
        (HOST, 8443),
        (HOST, 443),
    ]
    assert asked.resolver.asked[3][2] == (IPv4Address,)


def test_a_hanging_look_up_is_not_shared_for_long(asked: Asked) -> None:
    """After `SHARED_SECONDS` the next caller starts a new lookup. Each result reaches its own callers, in any order."""
    first = asked.ask()
    asked.clock.advance(SHARED_SECONDS - 0.1)
    second = asked.ask()
    asked.clock.advance(0.1)
    third, fourth = asked.ask(), asked.ask()
    assert len(asked.resolver.asked) == 2
    asked.resolver.answer(0, ADDRESSES[:1])
    assert first == second == [HOST, ADDRESSES[0], "complete"]
    assert third == fourth == [HOST]
    fifth = asked.ask()
    assert len(asked.resolver.asked) == 2
    asked.resolver.answer(1, ADDRESSES[1:])
    assert third == fourth == fifth == [HOST, ADDRESSES[1], "complete"]


def test_a_synchronous_result(asked: Asked) -> None:
    """A result that arrives during the call is delivered like any other."""
    asked.resolver.resolveHostName = lambda receiver, *_: receiver.resolutionComplete()
    assert asked.ask() == asked.ask() == [HOST, "complete"]


def test_a_shared_lookup_is_not_cancelled(asked: Asked) -> None:
    """One of several callers can't cancel the lookup."""
    resolution = asked.look_ups.resolveHostName(Receiver(), HOST)
    with pytest.raises(NotImplementedError):
        resolution.cancel()
