"""Messages to systemd's service manager. Source: sd_notify(3)."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


class ServiceManager:
    """The service manager at `NOTIFY_SOCKET`. Without that variable, no message is sent.

    The socket stays open, because a process without free descriptors must still send watchdog messages.
    """

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        if address:
            with suppress(OSError):
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._socket.settimeout(0)

    def notify(self, message: str) -> None:
        """Send a message such as `READY=1`. Never raises or blocks. Errors are ignored."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.sendto(message.encode(), self._address)

    def close(self) -> None:
        """Close the socket. Later messages are dropped."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def watchdog_seconds() -> float | None:
    """Return the watchdog's timeout in seconds, None if there is no watchdog."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isascii() or not microseconds.isdigit() or not int(microseconds):
        return None
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(microseconds) / 1_000_000
