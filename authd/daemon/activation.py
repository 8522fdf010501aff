"""The listening socket that systemd keeps open while this process comes and goes; see sd_listen_fds(3)."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet.endpoints import AdoptedStreamServerEndpoint
from twisted.internet.interfaces import IStreamServerEndpoint

_FIRST_DESCRIPTOR = 3


def inherited_endpoint(reactor: Any) -> IStreamServerEndpoint | None:
    """Return an endpoint for the first socket that the service manager passed on, or None where it passed none."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS", "0") == "0":
        return None
    with socket.socket(fileno=os.dup(_FIRST_DESCRIPTOR)) as inherited:
        family = inherited.family
    os.set_inheritable(_FIRST_DESCRIPTOR, False)  # noqa: FBT003
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    return AdoptedStreamServerEndpoint(reactor, _FIRST_DESCRIPTOR, family)
