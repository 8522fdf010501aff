"""The status socket: one query per connection, for root and the daemon's own user."""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from authd.daemon.status.server import InvalidQuery, StatusFactory, listen
from tests.daemon.fakes import StrictTransport


class PeerTransport(StrictTransport):
    """A connection of a user."""

    uid = os.geteuid()

    def getHandle(self) -> Any:
        return self

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_PEERCRED)
        return struct.pack("3i", 1, self.uid, 1)[:size]


class Rig:
    """A connection to a status socket in memory."""

    def __init__(self, uid: int) -> None:
        self.clock = Clock()
        protocol = StatusFactory(self.clock, {"echo": dict, "no": self._refuse}).buildProtocol(None)
        self.transport = PeerTransport()
        self.transport.uid = uid
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)

    @staticmethod
    def _refuse(_: object) -> object:
        raise InvalidQuery("because of a test")

    def send(self, data: bytes) -> Any:
        self.transport.protocol.dataReceived(data)
        return json.loads(self.transport.value() or b"null")


def test_a_query_is_answered() -> None:
    """A line is one query, in any number of pieces. The connection closes after the answer."""
    rig = Rig(os.geteuid())
    assert rig.send(b'{"query": "echo", ') is None
    assert rig.send(b'"x": 1}\n') == {"query": "echo", "x": 1}
    assert rig.transport.disconnecting
    rig.transport.end()
    assert rig.clock.getDelayedCalls() == []


@pytest.mark.parametrize("line", [b"", b"nonsense", b"[]", b'{"query": "other"}', b"[" * 5_000])
def test_anything_else_is_an_error(line: bytes) -> None:
    """The answer to an unknown query lists the known ones."""
    assert Rig(0).send(line + b"\n") == {"error": "unknown query; known are echo, no"}


def test_an_invalid_query_gets_a_reason() -> None:
    """The answer to a query with invalid values has the reason."""
    assert Rig(0).send(b'{"query": "no"}\n') == {"error": "because of a test"}


def test_other_users_are_disconnected() -> None:
    """The peer's user ID, as the kernel reports it, is checked in addition to the socket's mode."""
    assert Rig(os.geteuid() + 1).transport.aborted
    assert not Rig(0).transport.aborted


def test_long_and_slow_queries_are_disconnected() -> None:
    """The client of a query that is too long or never complete is disconnected."""
    rig = Rig(0)
    rig.transport.protocol.dataReceived(b"x" * 8_193)
    assert rig.transport.aborted
    rig = Rig(0)
    rig.clock.advance(5.0)
    assert rig.transport.aborted


def test_an_earlier_socket_is_replaced(tmp_path: Path) -> None:
    """The socket of a killed daemon is replaced. Anything else at its path stays, with a warning."""
    opened: list[tuple[str, int]] = []

    class Reactor:
        def listenUNIX(self, path: str, _: object, *, mode: int) -> str:
            opened.append((path, mode))
            if Path(path).exists():
                raise OSError(98, "Address already in use")
            return "port"

    path = tmp_path / "status.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert listen(Reactor(), path, StatusFactory(Clock(), {})) == "port"
    assert opened == [(str(path), 0o600)]
    path.write_text("not a socket")
    with capturedLogs() as events:
        assert listen(Reactor(), path, StatusFactory(Clock(), {})) is None
    assert [event["log_level"].name for event in events] == ["warn"]
