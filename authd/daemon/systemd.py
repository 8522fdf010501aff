"""Messages to systemd's service manager; see sd_notify(3)."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


class ServiceManager:
    """Who started this process and wants to hear how it is; nobody, where no `NOTIFY_SOCKET` is set.

    Its channel is kept open: a process whose descriptors are used up would be taken for a dead one.
    """

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._channel: socket.socket | None = None
        if address:
            with suppress(OSError):
                self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._channel.settimeout(0)

    def notify(self, message: str) -> None:
        """Send a message such as `READY=1`; never fails or waits, since nobody's listening is no harm."""
        if self._channel is not None:
            with suppress(OSError):
                self._channel.sendto(message.encode(), self._address)

    def close(self) -> None:
        """Say nothing more."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None


def watchdog_seconds() -> float | None:
    """Return how often systemd wants to hear from this process at the least, or None."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isascii() or not microseconds.isdigit() or not int(microseconds):
        return None
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(microseconds) / 1_000_000
