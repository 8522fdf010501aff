"""The status socket: answers one JSON query per connection, for root and the daemon's own user.

The socket is in the state directory, with mode 0600. The kernel reports the peer's user ID (SO_PEERCRED, see unix(7)),
which is checked too. Queries only read, except for `force`.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.logger import Logger

_log = Logger(namespace="authd.status")

#: The longest query. The longest ARN has 2048 characters.
_MAX_QUERY_BYTES = 8_192
#: Time in which a client must send its query.
_TIMEOUT_SECONDS = 5.0
#: `struct ucred` of <sys/socket.h>: process, user and group ID.
_CREDENTIALS = struct.Struct("3i")

Query = Mapping[str, Any]


class InvalidQuery(Exception):
    """A query that can't be answered, with the reason."""


class StatusProtocol(Protocol):
    """Answers one query."""

    transport: Any
    factory: Any  # a StatusFactory

    def connectionMade(self) -> None:
        """Disconnect other users."""
        self._received = b""
        self._timeout = self.factory.reactor.callLater(_TIMEOUT_SECONDS, self.transport.abortConnection)
        if _peer_uid(self.transport) not in (0, os.geteuid()):
            self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """Answer when the line is complete."""
        self._received += data
        line, newline, _ = self._received.partition(b"\n")
        if newline:
            self.transport.write(json.dumps(self.factory.answer(line)).encode() + b"\n")
            self.transport.loseConnection()
        elif len(self._received) > _MAX_QUERY_BYTES:
            self.transport.abortConnection()

    def connectionLost(self, _reason: Any = None) -> None:
        """Stop the timeout."""
        if self._timeout.active():
            self._timeout.cancel()


class StatusFactory(ServerFactory):
    """Answers queries by the functions of `queries`, which are found by the query's name."""

    noisy = False

    def __init__(self, reactor: Any, queries: Mapping[str, Callable[[Query], object]]) -> None:
        self.reactor = reactor
        self._queries = queries

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Build the protocol of a connection."""
        protocol = StatusProtocol()
        protocol.factory = self
        return protocol

    def answer(self, line: bytes) -> object:
        """Return the answer to a query, or an object with the key `error`."""
        try:
            query = json.loads(line)
            return self._queries[query["query"]](query)
        except InvalidQuery as error:
            return {"error": str(error)}
        except (ValueError, LookupError, TypeError, RecursionError):
            return {"error": f"unknown query; known are {', '.join(self._queries)}"}


def listen(reactor: Any, path: Path, factory: StatusFactory) -> IListeningPort | None:
    """Listen at a path, and replace the socket of an earlier daemon.

    If that fails, logs a warning and returns None, because reviews don't depend on it.
    """
    with suppress(OSError):
        if path.is_socket():
            path.unlink()
    try:
        port: IListeningPort = reactor.listenUNIX(str(path), factory, mode=0o600)
    except (OSError, CannotListenError) as error:
        message = "the status socket {path} can't be opened, so `authd status` fails: {error}"
        _log.warn(message, path=str(path), error=str(error))
        return None
    return port


def _peer_uid(transport: Any) -> int:
    credentials = transport.getHandle().getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])
