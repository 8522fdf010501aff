"""The IP address to listen on, from an address or host name in the settings."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any

from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted.internet.interfaces import IStreamServerEndpoint

from authd.core.errors import ConfigError, Problem


def local_address(setting: str, text: str) -> str:
    """Return the IP address for an address or host name of this machine, IPv4 first, as aws-iam-authenticator does.

    Looks up host names, so it may block. It is for the start only. Raises `ConfigError` for an unknown name.
    """
    try:
        return str(ip_address(text))
    except ValueError:
        pass
    try:
        found = [entry[4][0] for entry in socket.getaddrinfo(text, None, type=socket.SOCK_STREAM)]
    except OSError as error:
        message = f"the host name {text} has no address ({error.strerror}): write an IP address, such as 127.0.0.1"
        raise ConfigError((Problem(file=setting, line=0, column=0, message=message),)) from None
    return str(min(found, key=lambda address: ":" in str(address)))


def tcp_endpoint(reactor: Any, port: int, address: str) -> IStreamServerEndpoint:
    """Return the endpoint that listens on an IP address."""
    kind = TCP6ServerEndpoint if ":" in address else TCP4ServerEndpoint
    endpoint: IStreamServerEndpoint = kind(reactor, port, interface=address)
    return endpoint
