"""Sending at once what Twisted would send in the reactor's next turn: under load a turn is long."""

from __future__ import annotations

from typing import Any


def send_now(transport: Any) -> None:
    """Send what was written to a transport, as far as the network takes it; the reactor sends the rest.

    `transport` is a TCP connection, or TLS over one. An error is left for the reactor, which sees it too.
    """
    if transport.connected and not transport.disconnecting:
        transport.doWrite()  # IWriteDescriptor's; what a transport wraps answers for it
