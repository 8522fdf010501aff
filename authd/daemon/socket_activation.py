"""The listening socket that systemd keeps open across restarts. Source: sd_listen_fds(3)."""

from __future__ import annotations

import os
import socket
from stat import S_ISSOCK
from typing import Any

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpoint

_FIRST_DESCRIPTOR = 3


def inherited_endpoint(reactor: Any) -> IStreamServerEndpoint | None:
    """Return an endpoint for the first socket from the service manager, None if it passed none."""
    if not _is_socket(_FIRST_DESCRIPTOR):
        return None  # the import of Twisted's parser would take 7 ms
    # Twisted removes systemd's variables from the environment at its import, so only its own parser knows the sockets.
    try:
        endpoint: IStreamServerEndpoint = serverFromString(reactor, "systemd:domain=INET:index=0")
    except IndexError:
        return None
    os.set_inheritable(_FIRST_DESCRIPTOR, False)
    with socket.socket(fileno=os.dup(_FIRST_DESCRIPTOR)) as inherited:
        domain = inherited.family.name.removeprefix("AF_")
    if domain != "INET":
        endpoint = serverFromString(reactor, f"systemd:domain={domain}:index=0")
    return endpoint


def _is_socket(descriptor: int) -> bool:
    try:
        return S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False
