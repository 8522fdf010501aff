"""Batched connections: received data is passed on, and written data is sent, at the end of a turn."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher

from authd.daemon.event_loop import Turns
from authd.daemon.net.client_tls import VerifiedHost
from authd.daemon.net.server_tls import SwappableServerTLS
from authd.daemon.net.tls import TLSBatches, TLSFactory
from tests.daemon.net.test_tls import MemoryTransport, Pairing, Recorder


class Broken(Protocol):
    """A protocol that raises an exception on any data."""

    def dataReceived(self, data: bytes) -> None:
        raise ZeroDivisionError


class Batched(Pairing):
    """An unbatched client, and a batched server. `reviews` is the number of reviews in progress."""

    def __init__(self, client_tls: Any, server_tls: Any, reviews: int, server: Protocol | None = None) -> None:
        self.clock = Clock()
        self.turns = Turns(self.clock)
        self.turns.reviews = reviews
        self.batches = TLSBatches(self.turns)
        super().__init__(client_tls, server_tls)
        self.connect(client_tls, server_tls, server or self.server)

    def connect(self, client_tls: Any, server_tls: Any, server: Protocol) -> None:
        """Replace both ends by new ones, after their handshake."""
        self.ends = []
        for tls, protocol, batches in ((client_tls, self.client, None), (server_tls, server, self.batches)):
            transport = MemoryTransport()
            transport.protocol = TLSFactory(tls, Factory.forProtocol(lambda it=protocol: it), batches).buildProtocol(
                None
            )
            transport.protocol.makeConnection(transport)
            self.ends.append(transport)
        self.exchange()


@pytest.mark.parametrize("reviews", [0, 1, 2])
def test_data_waits_for_the_end_of_the_turn_only_if_there_are_several_reviews(
    client_tls: VerifiedHost, server_tls: SwappableServerTLS, reviews: int
) -> None:
    """If only one review is in progress, its data is passed on and answered in the same turn."""
    pairing = Batched(client_tls, server_tls, reviews)
    client, server = pairing.ends
    pairing.client.transport.write(b"request")
    server.protocol.dataReceived(client.take())
    assert pairing.server.received == ([] if reviews > 1 else [b"request"])
    pairing.clock.advance(0)
    assert pairing.server.received == [b"request"]
    pairing.server.transport.write(b"response")
    assert (server.take() == b"") == (reviews > 1)
    pairing.clock.advance(0)
    pairing.exchange()
    assert pairing.clock.getDelayedCalls() == []


def test_data_written_in_one_turn_is_one_record(client_tls: VerifiedHost, server_tls: SwappableServerTLS) -> None:
    """Data written by several calls in one turn is sent as one record, before a following close."""
    pairing = Batched(client_tls, server_tls, 2)
    for part in (b"one", b"two"):
        pairing.server.transport.write(part)
    pairing.server.transport.loseConnection()
    pairing.clock.advance(0)
    pairing.exchange()
    assert pairing.client.data == [b"onetwo"]
    assert pairing.ends[0].disconnecting


def test_data_before_the_end_of_the_connection_is_passed_on(
    client_tls: VerifiedHost, server_tls: SwappableServerTLS
) -> None:
    """If a peer sends data and disconnects in the same turn, the data is passed on first."""
    pairing = Batched(client_tls, server_tls, 2)
    client, server = pairing.ends
    pairing.client.transport.write(b"last words")
    server.protocol.dataReceived(client.take())
    server.end()
    assert pairing.server.received == [b"last words"]
    assert len(pairing.server.ended) == 1
    pairing.clock.advance(0)
    assert pairing.server.received == [b"last words"]


def test_an_aborted_connection_passes_no_data_on(client_tls: VerifiedHost, server_tls: SwappableServerTLS) -> None:
    """Data of an aborted connection is dropped, in both directions."""
    pairing = Batched(client_tls, server_tls, 2)
    client, server = pairing.ends
    pairing.client.transport.write(b"request")
    server.protocol.dataReceived(client.take())
    pairing.server.transport.write(b"response")
    pairing.server.transport.abortConnection()
    pairing.clock.advance(0)
    assert pairing.server.received == []
    assert server.take() == b""


def test_a_response_before_its_request_is_passed_on_first(
    client_tls: VerifiedHost, server_tls: SwappableServerTLS
) -> None:
    """A response that arrives before its request is sent is passed on before that, so that the protocol can refuse it."""
    pairing = Batched(client_tls, server_tls, 2)
    client, server = pairing.ends
    pairing.client.transport.write(b"response to no request")
    early = client.take()
    pairing.server.transport.write(b"request")
    server.protocol.dataReceived(early)
    assert pairing.server.received == [b"response to no request"]


def test_a_bug_ends_only_its_own_connection(client_tls: VerifiedHost, server_tls: SwappableServerTLS) -> None:
    """An exception of a protocol is logged and ends its connection. The next one of the batch is served."""
    pairing = Batched(client_tls, server_tls, 2, Broken())
    broken = pairing.ends
    pairing.client = Recorder()
    pairing.connect(client_tls, server_tls, pairing.server)
    events: list[LogEvent] = []
    for client, server in (broken, pairing.ends):
        client.protocol.write(b"request")
        server.protocol.dataReceived(client.take())
    globalLogPublisher.addObserver(events.append)
    try:
        pairing.clock.advance(0)
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert broken[1].aborted
    assert pairing.server.received == [b"request"]
    assert [event["log_format"] for event in events] == ["a connection failed"]
