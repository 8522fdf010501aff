"""What is written goes out at once, whole and in order."""

from __future__ import annotations

import pytest
from twisted.internet.interfaces import ITransport
from twisted.internet.testing import StringTransport
from zope.interface.verify import verifyObject

from authd.daemon.sending import _PromptTransport


class Socket:
    """A socket that takes some bytes, as many as it is told, or fails."""

    def __init__(self, takes: list[int | OSError]) -> None:
        self.takes = takes
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> int:
        takes = self.takes.pop(0)
        if isinstance(takes, OSError):
            raise takes
        self.sent.append(data[:takes])
        return min(takes, len(data))


class Connection(StringTransport):
    """A connection whose reactor sends nothing: what is left to it stays in `value`."""

    def __init__(self, takes: list[int | OSError]) -> None:
        super().__init__()
        self.socket = Socket(takes)

    def getHandle(self) -> Socket:  # noqa: N802  # Twisted's name
        return self.socket


def test_what_the_network_takes_is_sent_at_once() -> None:
    """Nothing is left to the reactor while everything is taken."""
    connection = Connection([100, 100])
    transport = _PromptTransport(connection)
    transport.write(b"one")
    transport.write(b"two")
    assert connection.socket.sent == [b"one", b"two"]
    assert connection.value() == b""


@pytest.mark.parametrize("takes", [0, 2, BlockingIOError(), ConnectionResetError()])
def test_the_reactor_sends_the_rest_and_all_that_follows(takes: int | OSError) -> None:
    """Where the network doesn't take all, the rest and everything after it go the reactor's way, in order."""
    connection = Connection([100, takes])
    transport = _PromptTransport(connection)
    for data in (b"one", b"two", b"three"):
        transport.write(data)
    assert b"".join(connection.socket.sent) + connection.value() == b"onetwothree"
    assert connection.value().endswith(b"three")
    assert connection.socket.takes == []


def test_everything_else_is_the_connections() -> None:
    """It stands for the connection in all that it doesn't do itself."""
    connection = Connection([])
    transport = _PromptTransport(connection)
    verifyObject(ITransport, transport)
    transport.loseConnection()
    assert connection.disconnecting
    assert transport.getPeer() == connection.getPeer()
