"""TLS over memory BIOs: data arrives complete and in order in pieces of any size, and any error ends the connection.

Each test runs twice: with connections that pass data on and send it at once, and with connections in batches.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from authd.daemon.event_loop import Turns
from authd.daemon.net.client_tls import VerifiedHost
from authd.daemon.net.eager_writer import EagerWriter
from authd.daemon.net.records import Records
from authd.daemon.net.server_tls import SwappableServerTLS
from authd.daemon.net.tls import TLSBatches, TLSConnection, TLSFactory
from tests.daemon.fakes import StrictTransport
from tests.daemon.tls import Pair, issue

HOST = "sts.us-east-1.amazonaws.com"


class Reactor:
    """The batches of a test's connections, if there are any, and the clock of their turns."""

    clock = Clock()
    batches: TLSBatches | None = None


@pytest.fixture(autouse=True, params=["at once", "in batches"])
def batches(request: pytest.FixtureRequest) -> Iterator[TLSBatches | None]:
    turns = Turns(Reactor.clock)
    turns.reviews = 2
    Reactor.batches = TLSBatches(turns) if request.param == "in batches" else None
    yield Reactor.batches
    Reactor.batches = None


def end_turn() -> None:
    Reactor.clock.advance(0)


class Socket:
    """A socket that accepts a given number of bytes or fails, and accepts everything by default."""

    def __init__(self, accepts: list[int | OSError] | None = None) -> None:
        self.accepts = accepts
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> int:
        accepts = len(data) if self.accepts is None else self.accepts.pop(0)
        if isinstance(accepts, OSError):
            raise accepts
        self.sent.append(data[:accepts])
        return min(accepts, len(data))


class Connection(StringTransport):
    """A connection whose reactor sends nothing. Data left to the reactor stays in `value`."""

    def __init__(self, accepts: list[int | OSError]) -> None:
        super().__init__()
        self.socket = Socket(accepts)

    def getHandle(self) -> Socket:
        return self.socket


class MemoryTransport(StrictTransport):
    """One end of a TCP connection in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.socket = Socket()

    def getHandle(self) -> Socket:
        return self.socket

    def take(self) -> bytes:
        end_turn()
        sent, self.socket.sent = b"".join(self.socket.sent), []
        return sent


class Recorder(Protocol):
    """Sends data when it is connected, and collects the received data and the reason of the end."""

    def __init__(self, greeting: bytes = b"") -> None:
        self.greeting = greeting
        self.received: list[bytes] = []
        self.ended: list[Failure] = []

    @property
    def data(self) -> list[bytes]:
        """The data received so far."""
        end_turn()
        return self.received

    def connectionMade(self) -> None:
        if self.greeting:
            self.transport.write(self.greeting)

    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended.append(reason)


class Pairing:
    """A client and a server on the two ends of one connection. Data travels in pieces of `size` bytes."""

    def __init__(self, client_tls: Any, server_tls: Any, *, greeting: bytes = b"", size: int = 1_000_000) -> None:
        self.client, self.server = Recorder(greeting), Recorder()
        self.size = size
        self.ends = [self._end(client_tls, self.client), self._end(server_tls, self.server)]

    def _end(self, tls: Any, recorder: Recorder) -> MemoryTransport:
        self.factory = TLSFactory(tls, Factory.forProtocol(lambda: recorder), Reactor.batches)
        transport = MemoryTransport()
        transport.protocol = self.factory.buildProtocol(None)
        transport.protocol.makeConnection(transport)
        return transport

    def deliver(self, one: MemoryTransport, other: MemoryTransport) -> bool:
        sent = one.take()
        for start in range(0, len(sent), self.size):
            if other.connected:
                other.protocol.dataReceived(sent[start : start + self.size])
        return bool(sent)

    def exchange(self) -> None:
        """Deliver data in both directions until there is no more."""
        one, other = self.ends
        while self.deliver(one, other) or self.deliver(other, one):
            pass


@pytest.fixture
def pairing(client_tls: VerifiedHost, server_tls: SwappableServerTLS) -> Pairing:
    """Return two peers after their handshake."""
    pairing = Pairing(client_tls, server_tls)
    pairing.exchange()
    return pairing


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7, 100, 1000, 1_000_000])
@pytest.mark.parametrize("length", [1, 1200, 16_384, 16_385, 50_000])
def test_data_arrives_whole_and_in_order(
    client_tls: VerifiedHost, server_tls: SwappableServerTLS, size: int, length: int
) -> None:
    """Data sent before or after the handshake arrives complete and in order, in both directions, in any pieces."""
    if size < 100 and length > 1200:
        size *= 97  # an odd size too, and faster than single bytes
    text = bytes(n % 251 for n in range(length))
    pairing = Pairing(client_tls, server_tls, greeting=text, size=size)
    pairing.exchange()
    for _ in range(3):
        pairing.server.transport.write(text)
        pairing.exchange()
        pairing.client.transport.write(text)
    pairing.exchange()
    assert b"".join(pairing.server.data) == text * 4
    assert b"".join(pairing.client.data) == text * 3


def test_several_records_in_one_piece_arrive_as_one(pairing: Pairing) -> None:
    """Records that arrive together are delivered together, as one piece. Data sent between two pieces follows."""
    client, server = pairing.ends
    sent = b""
    for word in (b"one", b"two", b"three"):
        pairing.client.transport.write(word)
        sent += client.take()
    server.protocol.dataReceived(sent[:-1])
    assert pairing.server.data == [b"onetwo"]
    server.protocol.dataReceived(sent[-1:])
    assert pairing.server.data == [b"onetwo", b"three"]


def test_data_before_the_end_is_delivered(pairing: Pairing) -> None:
    """Data is delivered before the close or the broken record that arrives in the same piece."""
    client, server = pairing.ends
    pairing.client.transport.write(b"one")
    pairing.client.transport.write(b"two")
    pairing.client.transport.loseConnection()
    sent = client.take()
    server.protocol.dataReceived(sent[:-1] + bytes([sent[-1] ^ 1]))
    assert pairing.server.data == [b"onetwo"]
    server.end()
    assert [failure.type for failure in pairing.server.ended] == [SSL.Error]


def test_a_long_flight_is_sent_whole(authority: Pair, client_tls: VerifiedHost) -> None:
    """The handshake succeeds with a certificate that is longer than one read from OpenSSL."""
    names = [x509.DNSName(HOST), *(x509.DNSName(f"sts-{number}.{HOST}") for number in range(300))]
    pairing = Pairing(client_tls, SwappableServerTLS(issue(authority, names).server_context()), greeting=b"secret")
    pairing.exchange()
    assert pairing.server.data == [b"secret"]


def test_nothing_is_sent_before_the_peer_is_known(client_tls: VerifiedHost, server_tls: SwappableServerTLS) -> None:
    """Data written before the handshake is sent after it, in a record of its own."""
    pairing = Pairing(client_tls, server_tls, greeting=b"secret")
    client, server = pairing.ends
    pairing.deliver(client, server)
    assert pairing.server.data == []
    pairing.exchange()
    assert pairing.server.data == [b"secret"]


def test_a_server_with_an_untrusted_certificate_gets_no_data(client_tls: VerifiedHost) -> None:
    """A server with an untrusted certificate gets an alert and no data, and the reason is a TLS error."""
    stranger = issue(issue(None, None, common_name="stranger"), [x509.DNSName(HOST)])
    pairing = Pairing(client_tls, SwappableServerTLS(stranger.server_context()), greeting=b"secret")
    pairing.exchange()
    client, server = pairing.ends
    assert pairing.server.data == []
    assert client.disconnecting
    client.end()
    assert pairing.client.ended[0].check(SSL.Error)
    assert server.disconnecting
    server.end()
    assert pairing.server.ended[0].check(SSL.Error)


@pytest.mark.parametrize("nonsense", [b"GET / HTTP/1.1\r\n\r\n", b"\x17\x03\x03\x00\x01a", b"\0" * 4000])
def test_a_peer_without_tls_is_disconnected(
    server_tls: SwappableServerTLS, client_tls: VerifiedHost, nonsense: bytes
) -> None:
    """A first message that is not TLS ends the connection."""
    server = Pairing(client_tls, server_tls).ends[1]
    server.protocol.dataReceived(nonsense)
    server.protocol.dataReceived(nonsense)
    assert server.disconnecting


def test_a_changed_record_ends_the_connection(pairing: Pairing) -> None:
    """After a flipped bit nothing is delivered, and nothing more is read."""
    client, server = pairing.ends
    pairing.client.transport.write(b"text")
    record = client.take()
    server.protocol.dataReceived(record[:-1] + bytes([record[-1] ^ 1]))
    pairing.client.transport.write(b"more")
    server.protocol.dataReceived(client.take())
    assert pairing.server.data == []
    assert server.disconnecting
    server.end()
    assert pairing.server.ended[0].check(SSL.Error)


def test_close_notify_is_sent_and_answered(pairing: Pairing) -> None:
    """A peer that closes sends close_notify, gets no more data, and closes after the other's close_notify."""
    client, server = pairing.ends
    pairing.server.transport.loseConnection()
    assert not server.disconnecting
    pairing.client.transport.write(b"too late")
    pairing.deliver(client, server)
    pairing.server.transport.write(b"neither")
    pairing.server.transport.loseConnection()
    pairing.exchange()
    assert (client.disconnecting, server.disconnecting) == (True, True)
    assert (pairing.client.data, pairing.server.data) == ([], [])
    for transport in pairing.ends:
        transport.end()
    assert [failure.type for failure in pairing.client.ended + pairing.server.ended] == [ConnectionDone] * 2


def test_a_close_before_the_handshake_is_immediate(client_tls: VerifiedHost, server_tls: SwappableServerTLS) -> None:
    """Before the handshake there is no peer for a close_notify."""
    pairing = Pairing(client_tls, server_tls)
    pairing.server.transport.loseConnection()
    assert pairing.ends[1].aborted
    assert pairing.server.ended[0].check(ConnectionAborted)


def test_data_before_the_close_is_sent_after_the_handshake(
    client_tls: VerifiedHost, server_tls: SwappableServerTLS
) -> None:
    """Data written before the close is sent before close_notify."""
    pairing = Pairing(client_tls, server_tls, greeting=b"last words")
    pairing.client.transport.loseConnection()
    pairing.client.transport.write(b"too late")
    pairing.exchange()
    assert pairing.server.data == [b"last words"]
    assert [transport.disconnecting for transport in pairing.ends] == [True, True]


def test_an_abort_is_immediate(pairing: Pairing) -> None:
    """An aborted connection delivers and sends nothing more."""
    client, server = pairing.ends
    heard: list[bytes] = []

    def hear(data: bytes) -> None:
        heard.append(data)
        pairing.server.transport.abortConnection()

    pairing.server.dataReceived = hear
    pairing.client.transport.write(b"one")
    pairing.client.transport.loseConnection()
    pairing.deliver(client, server)
    assert heard == [b"one"]
    assert server.aborted
    server.protocol.dataReceived(b"whatever")
    pairing.server.transport.write(b"more")
    assert server.take() == b""


def test_an_interrupted_handshake_is_reported_once(client_tls: VerifiedHost, server_tls: SwappableServerTLS) -> None:
    """If the peer disconnects during the handshake, the protocol is notified once."""
    pairing = Pairing(client_tls, server_tls, greeting=b"secret")
    for transport in pairing.ends:
        transport.end()
    assert [len(pairing.client.ended), len(pairing.server.ended)] == [1, 1]
    assert pairing.factory.protocols == {}


def test_connections_are_counted(client_tls: VerifiedHost) -> None:
    """The factory's `protocols` contains exactly the open connections."""
    factory = TLSFactory(client_tls, Factory.forProtocol(Recorder))
    first, second = (MemoryTransport(), MemoryTransport())
    for transport in (first, second):
        transport.protocol = factory.buildProtocol(None)
        transport.protocol.makeConnection(transport)
    assert len(factory.protocols) == 2
    first.end()
    assert list(factory.protocols) == [second.protocol]


def test_transport_methods_are_delegated(pairing: Pairing) -> None:
    """Addresses, TCP_NODELAY and flow control are those of the TCP transport."""
    tcp = pairing.ends[0]
    transport: Any = pairing.client.transport
    assert isinstance(transport, TLSConnection)
    transport.setTcpNoDelay(True)
    assert tcp.no_delay
    assert transport.getPeer() == tcp.getPeer()
    transport.pauseProducing()
    assert tcp.producerState == "paused"


def test_the_socket_gets_everything_it_accepts_at_once() -> None:
    """The reactor writes nothing as long as the socket accepts everything."""
    connection = Connection([100, 100])
    sender = EagerWriter(connection)
    sender.send(b"one")
    sender.send(b"two")
    assert connection.socket.sent == [b"one", b"two"]
    assert connection.value() == b""


@pytest.mark.parametrize("accepts", [0, 2, BlockingIOError(), ConnectionResetError()])
def test_after_a_partial_write_the_reactor_sends_everything(accepts: int | OSError) -> None:
    """If the socket does not accept everything, the remainder and all later data go through the reactor, in order."""
    connection = Connection([100, accepts])
    sender = EagerWriter(connection)
    for data in (b"one", b"two", b"three"):
        sender.send(data)
    assert b"".join(connection.socket.sent) + connection.value() == b"onetwothree"
    assert connection.value().endswith(b"three")
    assert connection.socket.accepts == []


def some_records(shortest: int) -> st.SearchStrategy[list[bytes]]:
    lengths = st.lists(st.integers(min_value=shortest, max_value=700), min_size=1, max_size=8)
    return lengths.map(lambda all_of: [b"\x17\x03\x03" + n.to_bytes(2) + b"\x17" * n for n in all_of])


@given(records=some_records(0), cuts=st.sets(st.integers(min_value=0, max_value=6000)))
def test_a_partial_record_is_not_recognised_as_complete(records: list[bytes], cuts: set[int]) -> None:
    """In pieces of any size, only a complete record is recognised as one."""
    stream = b"".join(records)
    bounds = {0, *accumulate(map(len, records))}
    places = [0, *sorted(cut for cut in cuts if 0 < cut < len(stream)), len(stream)]
    seen = Records()
    for start, end in pairwise(places):
        if seen.is_one(stream[start:end]):
            assert start in bounds
            assert end in bounds
            assert not any(start < bound < end for bound in bounds)


@given(records=some_records(1), joined=st.integers(min_value=1, max_value=3))
def test_a_single_complete_record_is_recognised(records: list[bytes], joined: int) -> None:
    """As long as each header arrives in one piece, every record that arrives alone is recognised."""
    seen = Records()
    pieces = [b"".join(records[n : n + joined]) for n in range(0, len(records), joined)]
    for piece in pieces:
        assert not seen.is_one(piece[:5])
        assert not seen.is_one(piece[5:])
    for record in records:
        assert seen.is_one(record)


def test_no_record_is_recognised_after_a_split_header() -> None:
    """After a split header no record is recognised, so the slow path is used."""
    record = b"\x17\x03\x03\x00\x01a"
    seen = Records()
    assert [seen.is_one(piece) for piece in (record, record[:3], record[3:], record, record)] == [True] + [False] * 4


def test_unread_data_is_detected(pairing: Pairing) -> None:
    """`has_unread` is True after unread data or a close, and False for a silent peer."""
    client = pairing.ends[0]
    near, far = socket.socketpair()
    with near, far:
        client.socket = near
        assert not client.protocol.has_unread()
        far.send(b"x")
        assert client.protocol.has_unread()
        near.recv(1)
        assert not client.protocol.has_unread()
        far.close()
        assert client.protocol.has_unread()


def test_a_partial_record_counts_as_unread(pairing: Pairing) -> None:
    """`has_unread` is True while a record is incomplete."""
    client, server = pairing.ends
    near, far = socket.socketpair()
    with near, far:
        server.protocol.write(b"late")
        record = server.take()
        client.protocol.dataReceived(record[:-1])
        client.socket = near
        assert client.protocol.has_unread()
        client.protocol.dataReceived(record[-1:])
        assert client.protocol.has_unread() == (Reactor.batches is not None)
        assert pairing.client.data == [b"late"]
        assert not client.protocol.has_unread()


def test_data_sent_with_the_handshake_counts_as_unread(client_tls: VerifiedHost, authority: Pair) -> None:
    """Data that a server sends before the request is detected before the request is sent."""
    context = issue(authority, [x509.DNSName(HOST)]).server_context()
    context.set_max_proto_version(SSL.TLS1_2_VERSION)  # so that the server's Finished is the handshake's last message
    pairing = Pairing(client_tls, SwappableServerTLS(context), greeting=b"request")
    client, server = pairing.ends
    unsent: list[bool] = []
    pairing.client.dataReceived = lambda _: unsent.append(client.protocol.has_unsent)
    pairing.deliver(client, server)
    pairing.deliver(server, client)
    pairing.deliver(client, server)
    server.protocol.write(b"unasked")
    assert client.protocol.has_unsent
    client.protocol.dataReceived(server.take())
    assert unsent == [True]
    assert not client.protocol.has_unsent
    pairing.exchange()
    assert b"".join(pairing.server.data) == b"request"


def test_a_peer_that_keeps_sending_after_the_close_is_disconnected(pairing: Pairing) -> None:
    """Input after the close is dropped, so that the last response arrives. Above a limit, the connection is aborted."""
    client, server = pairing.ends
    server.protocol.loseConnection()
    client.protocol.write(b"x" * 60_000)
    pairing.deliver(client, server)
    assert server.connected
    client.protocol.write(b"x" * 10_000)
    pairing.deliver(client, server)
    assert server.aborted
    assert pairing.server.data == []
