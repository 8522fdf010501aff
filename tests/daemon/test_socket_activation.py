"""The socket from a service manager. The integration tests pass a real one."""

from __future__ import annotations

from twisted.internet.testing import MemoryReactorClock

from authd.daemon.socket_activation import inherited_endpoint


def test_without_a_passed_socket_there_is_no_endpoint() -> None:
    """A process without a passed socket opens its own."""
    assert inherited_endpoint(MemoryReactorClock()) is None
