"""The socket that a service manager passes on. A real one is handed over in the integration tests."""

from __future__ import annotations

from twisted.internet.testing import MemoryReactorClock

from authd.daemon.socket_activation import inherited_endpoint


def test_where_no_socket_was_passed_there_is_none() -> None:
    """A process that nobody passed a socket opens its own."""
    assert inherited_endpoint(MemoryReactorClock()) is None
