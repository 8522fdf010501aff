"""TLS for short messages, with OpenSSL over memory BIOs.

Twisted's TLS serves every use. Under load it spends most of its time on two things: an exception per network read, to
learn that the read held one record only, and writes that wait for the reactor's next turn, hundreds of connections
later. This module counts records as they arrive and writes to the socket at once.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from OpenSSL import SSL
from twisted.internet.interfaces import IProtocolFactory, ITransport
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure

#: A record's header has five bytes. The last two are the length of the rest (RFC 8446, section 5.1).
_HEAD = 5
#: The largest plaintext of a record.
_MOST_PLAIN = 16_384
#: Upper bound of a TLS record's overhead. A larger buffer than needed costs time and fragments memory.
_AROUND_TEXT = 256
#: Covers most handshake messages.
_OWN_WORDS = 4_096
#: How much a peer may send after the end was asked for, in bytes. An honest one may have a request under way.
_MOST_DROPPED = 65_536


class ConnectionCreator(Protocol):
    """Creates OpenSSL connections over memory BIOs, as client or as server."""

    def connection(self) -> SSL.Connection:
        """Return a connection before its handshake."""
        ...


class Records:
    """Tracks record boundaries in a stream, as long as no record's header is split between two reads."""

    __slots__ = ("_missing",)

    def __init__(self) -> None:
        self._missing = 0  # of the last record that has begun; below 0 where that can't be told any more

    @property
    def at_boundary(self) -> bool:
        """Whether the last record is known to have arrived whole."""
        return self._missing == 0

    def is_one(self, data: bytes) -> bool:
        """Say whether the next piece of the stream is one whole record and nothing else."""
        size = len(data)
        if self._missing == 0 and size > _HEAD and _HEAD + (data[3] << 8 | data[4]) == size:
            return True
        if self._missing >= 0:
            place = self._missing
            while place + _HEAD <= size:
                place += _HEAD + (data[place + 3] << 8 | data[place + 4])
            self._missing = place - size
        return False


class EagerWriter:
    """Sends over a TCP connection as far as the network takes it.

    From the first time that it doesn't take everything, the reactor sends: so the order stays, and nothing is held
    twice.
    """

    __slots__ = ("_reactor_sends", "_socket", "_transport")

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._socket = transport.getHandle()
        self._reactor_sends = False

    def send(self, data: bytes) -> None:
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


class TLSConnection(ProtocolWrapper):
    """One TLS connection over TCP, and the transport of the protocol that it is for.

    What is written before hands are shaken waits for that; what is read after the end was asked for is thrown away.
    """

    transport: Any

    def __init__(self, factory: TLSFactory, wrapped: Any) -> None:
        super().__init__(factory, wrapped)
        self._tls = factory.creator.connection()
        self._records = Records()
        self._handshake_done = self._over = False
        self._waiting: list[bytes] = []
        self._dropped = 0
        self._failure: Failure | None = None

    @property
    def has_unsent(self) -> bool:
        """Whether something was written that waits for the handshake."""
        return bool(self._waiting)

    def has_unread(self) -> bool:
        """Return whether the peer has sent anything, its end too, that the protocol was not given yet."""
        if self._over or self._tls.pending() or not self._records.at_boundary:
            return True
        try:
            self.transport.getHandle().recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def makeConnection(self, transport: ITransport) -> None:
        """Tell the protocol, and shake hands."""
        self._sender = EagerWriter(transport)
        super().makeConnection(transport)
        self._do_handshake()

    def dataReceived(self, data: bytes) -> None:
        """Take in records, and hand on what they hold."""
        if self._over:
            return
        one = self._records.is_one(data)
        self._tls.bio_write(data)
        if not self._handshake_done:
            self._do_handshake()
        if self._handshake_done:
            self._read(len(data) if one else 0)
            if self._waiting:  # after the read, so that a client knows what came before its request was sent
                self._send_waiting()

    def _read(self, only_record: int) -> None:
        """Hand on what can be read, as one piece: Go's client cuts a request in two, as long as it has said little.

        `only_record` is the length of the one record that there is, 0 where there may be others or parts.
        """
        parts: list[bytes] = []
        end: Callable[[], None] | None = None
        try:
            while True:
                parts.append(self._tls.recv(only_record or _MOST_PLAIN))
                if only_record:
                    break  # a record that held text asks for no answer
        except SSL.WantReadError:
            end = self._flush
        except SSL.ZeroReturnError:
            end = self._end  # the peer has said that nothing more comes
        except SSL.Error:
            self._failure = Failure()
            end = self._fail
        if parts:
            self._hand_on(parts[0] if len(parts) == 1 else b"".join(parts))
        if end is not None and not self._over:
            end()

    def _hand_on(self, data: bytes) -> None:
        if not self.disconnecting:
            self.wrappedProtocol.dataReceived(data)
            return
        self._dropped += len(data)
        if self._dropped > _MOST_DROPPED:
            self.abortConnection()

    def write(self, data: bytes) -> None:
        """Send, in as few records as it takes."""
        if not self.disconnecting:
            (self._send if self._handshake_done and not self._waiting else self._waiting.append)(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send parts; the wrapper's own method would send them in plain text."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Say that nothing more comes, and end when the peer has said so too; it is cut off before hands are shaken."""
        if self.disconnecting:
            return
        self.disconnecting = 1
        if self._handshake_done and not self._waiting:
            self._send_close_notify()
        elif not self._waiting:
            self.abortConnection()

    def abortConnection(self) -> None:
        """End at once, without a word."""
        self.disconnecting = 1
        self._over = True
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the protocol, by TLS's own reason where there is one."""
        self._over = True
        super().connectionLost(self._failure or reason)
        self._failure = None  # it holds on to frames

    def _do_handshake(self) -> None:
        if self._over:
            return
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            self._flush()
        except SSL.Error:
            self._failure = Failure()
            self._fail()
        else:
            self._begin()

    def _begin(self) -> None:
        self._handshake_done = True
        self._flush()

    def _send_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self._send(data)
        if self.disconnecting and not self._over:
            self._send_close_notify()

    def _send(self, data: bytes) -> None:
        while data and not self._over:
            try:
                sent = self._tls.send(data)
            except SSL.Error:
                self._failure = Failure()
                self._fail()
                return
            self._flush(sent + _AROUND_TEXT)
            data = data[sent:]

    def _flush(self, size: int = _OWN_WORDS) -> None:
        """Send the records that OpenSSL has made, of text or of what it has to say: handshakes, alerts, keys."""
        records = b""
        while len(records) in (0, size):
            try:
                records = self._tls.bio_read(size)
            except SSL.WantReadError:
                return
            self._sender.send(records)

    def _send_close_notify(self) -> None:
        try:
            both = self._tls.shutdown()
        except SSL.Error:
            both = True  # there is nothing to wait for
        self._flush()
        if both:
            self.transport.loseConnection()

    def _end(self) -> None:
        self._over = True
        self.disconnecting = 1
        self._send_close_notify()
        self.transport.loseConnection()

    def _fail(self) -> None:
        self._over = True
        self.disconnecting = 1
        self._flush()  # the alert that says why
        self.transport.loseConnection()


class TLSFactory(WrappingFactory[TLSConnection]):
    """Makes TLS connections for the protocols of another factory; `protocols` has those that are open."""

    protocol = TLSConnection
    noisy = False

    def __init__(self, creator: ConnectionCreator, factory: IProtocolFactory) -> None:
        super().__init__(factory)
        self.creator = creator
