"""TLS for short messages, with OpenSSL over memory BIOs.

Under load, Twisted's general TLS spends most of its time on an exception per read, which ends a loop after the only
record, and on writes that wait for the reactor's next turn. This module counts records as they arrive and writes to the
socket at once. It batches decryption and encryption across connections, see `TLSBatches`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

from OpenSSL import SSL
from twisted.internet.interfaces import IProtocolFactory, ITransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure

from authd.daemon.event_loop import TurnBatch, Turns
from authd.daemon.net.eager_writer import EagerWriter
from authd.daemon.net.records import Records

_log = Logger(namespace="authd.tls")

#: The largest plaintext of a record.
_MAX_PLAINTEXT = 16_384
#: Upper bound of a TLS record's overhead. A larger buffer than needed costs time and fragments memory.
_RECORD_OVERHEAD = 256
#: Covers most handshake messages.
_HANDSHAKE_SIZE = 4_096
_PEEK = socket.MSG_PEEK | socket.MSG_DONTWAIT
#: Largest amount of data that is dropped after `loseConnection`, in bytes. A request may be in transit by then.
_MAX_DROPPED = 65_536


class ConnectionCreator(Protocol):
    """Creates OpenSSL connections over memory BIOs, as client or as server."""

    def connection(self) -> SSL.Connection:
        """Return a connection before its handshake."""
        ...


class TLSBatches:
    """Connections with received data to pass on, and those with written data to encrypt, in one turn of the reactor.

    TLS and the work on its content evict each other's code from the CPU's caches. Both batches together save 20 % of a
    review's CPU at 64 connections.
    """

    def __init__(self, turns: Turns) -> None:
        self.received: TurnBatch[TLSConnection] = turns.batch(partial(_each, TLSConnection.pass_on))
        self.written: TurnBatch[TLSConnection] = turns.batch(partial(_each, TLSConnection.send_waiting))


def _each(step: Callable[[TLSConnection], None], connections: list[TLSConnection]) -> None:
    for connection in connections:
        try:
            step(connection)
        except Exception:  # a bug ends only its own connection, as without batches
            _log.failure("a connection failed")
            connection.abortConnection()


class TLSConnection(ProtocolWrapper):
    """One TLS connection over TCP, and the transport of the wrapped protocol.

    Data that is written before the end of the handshake waits for it. Data that arrives after `loseConnection` is
    dropped.
    """

    transport: Any

    def __init__(self, factory: TLSFactory, wrapped: Any) -> None:
        super().__init__(factory, wrapped)
        self._tls = factory.creator.connection()
        self._records = Records()
        self._handshake_done = self._over = False
        self._batches: TLSBatches | None = factory.batches
        self._received: list[bytes] = []
        self._waiting: list[bytes] = []
        self._dropped = 0
        self._failure: Failure | None = None

    @property
    def has_unsent(self) -> bool:
        """Whether written data waits for the handshake or for its batch."""
        return bool(self._waiting)

    def has_unread(self) -> bool:
        """Return whether the peer has sent anything that the protocol has not received, including its close."""
        if self._over or self._received or self._tls.pending() or not self._records.at_boundary:
            return True
        try:
            self.transport.getHandle().recv(1, _PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def makeConnection(self, transport: ITransport) -> None:
        """Connect the protocol and begin the handshake."""
        self._sender = EagerWriter(transport)
        super().makeConnection(transport)
        self._do_handshake()

    def dataReceived(self, data: bytes) -> None:
        """Receive records, and pass on their content."""
        if self._over:
            return
        one = self._records.is_one(data)
        self._tls.bio_write(data)
        if not self._handshake_done:
            self._do_handshake()
        if self._handshake_done:
            self._read(len(data) if one else 0)
            if self._waiting:  # after the read, so that a client can refuse data from before its request
                self.send_waiting()

    def _read(self, only_record: int) -> None:
        """Read all available data as one piece, because Go's client splits its first requests into records.

        `only_record` is the length of the single record, or 0 if there may be several or parts of one.
        """
        parts: list[bytes] = []
        end: Callable[[], None] | None = None
        try:
            while True:
                parts.append(self._tls.recv(only_record or _MAX_PLAINTEXT))
                if only_record:
                    break  # application data needs no response from OpenSSL
        except SSL.WantReadError:
            end = self._flush
        except SSL.ZeroReturnError:
            end = self._end  # close_notify
        except SSL.Error:
            self._failure = Failure()
            end = self._fail
        if parts:
            self._received += parts
            self._batch_received()
        if end is not None and not self._over:
            end()

    def _batch_received(self) -> None:
        """Pass data on, at once if written data is still unsent: the client refuses a response before its request."""
        if self._batches is None or self._waiting or self.disconnecting:
            self.pass_on()
        else:
            self._batches.received.add(self)

    def pass_on(self) -> None:
        """Pass received data on to the protocol, in one piece."""
        received, self._received = self._received, []
        if not received or self._over:
            return
        if not self.disconnecting:
            self.wrappedProtocol.dataReceived(received[0] if len(received) == 1 else b"".join(received))
            return
        self._dropped += sum(map(len, received))
        if self._dropped > _MAX_DROPPED:
            self.abortConnection()

    def write(self, data: bytes) -> None:
        """Send data in as few records as possible, after the handshake."""
        if self.disconnecting:
            return
        self._waiting.append(data)
        if self._handshake_done and len(self._waiting) == 1:
            if self._batches is None:
                self.send_waiting()
            else:
                self._batches.written.add(self)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send parts. The inherited method would send them in plain text."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Send close_notify and wait for the peer's. Before the end of the handshake the connection is aborted."""
        if self.disconnecting:
            return
        self.disconnecting = 1
        if self._handshake_done and not self._waiting:
            self._send_close_notify()
        elif not self._waiting:
            self.abortConnection()

    def abortConnection(self) -> None:
        """Close the connection at once, without close_notify."""
        self.disconnecting = 1
        self._over = True
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Notify the protocol, with the TLS error if there was one."""
        self.pass_on()
        self._over = True
        super().connectionLost(self._failure or reason)
        self._failure = None  # a Failure keeps frames alive

    def _do_handshake(self) -> None:
        if self._over:
            return
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            self._flush()
        except SSL.Error:
            self._failure = Failure()
            self.factory.handshake_failed(self, self._failure.value)
            self._fail()
        else:
            self._handshake_done = True
            self._flush()

    def send_waiting(self) -> None:
        """Send written data, then close_notify if `loseConnection` was called."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        self._send(waiting[0] if len(waiting) == 1 else b"".join(waiting))
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
            self._flush(sent + _RECORD_OVERHEAD)
            data = data[sent:]

    def _flush(self, size: int = _HANDSHAKE_SIZE) -> None:
        """Send the records that OpenSSL has produced: data, handshake messages, alerts, key updates."""
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
            both = True  # the peer can't respond
        self._flush()
        if both:
            self.transport.loseConnection()

    def _end(self) -> None:
        self.pass_on()
        self.send_waiting()
        if self._over:
            return
        self._over = True
        self.disconnecting = 1
        self._send_close_notify()
        self.transport.loseConnection()

    def _fail(self) -> None:
        self.pass_on()
        self._over = True
        self.disconnecting = 1
        self._flush()  # sends the alert
        self.transport.loseConnection()


class TLSFactory(WrappingFactory[TLSConnection]):
    """Creates TLS connections for the protocols of another factory. `protocols` contains the open ones.

    Without `batches`, each connection passes its data on and sends it at once.
    """

    protocol = TLSConnection
    noisy = False

    def __init__(
        self, creator: ConnectionCreator, factory: IProtocolFactory, batches: TLSBatches | None = None
    ) -> None:
        super().__init__(factory)
        self.creator = creator
        self.batches = batches

    def handshake_failed(self, connection: TLSConnection, error: SSL.Error) -> None:
        """Do nothing. A subclass may log the failed handshake."""
