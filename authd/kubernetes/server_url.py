"""Parses the address of an API server, in the form of kubeconfigs and `--master`."""

from __future__ import annotations

import re
from typing import NamedTuple

_PORT_OF_HTTPS = 443
_LARGEST_PORT = 65_535
#: A DNS name or an IPv4 address, or an IPv6 address in brackets. Source: RFC 3986, section 3.2.2.
_URL = re.compile(
    r"(?:(https)://)?(?:([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)|\[([0-9A-Fa-f:.]+)\])(?::([0-9]{1,5}))?(/[!-~]*)?"
)
#: Characters that would not be sent as a part of the path.
_UNSENT = frozenset("?#\\")


class ServerURL(NamedTuple):
    """A parsed address. `path` has no slash at its end."""

    host: str
    port: int
    path: str


def parse_server(text: str) -> ServerURL:
    """Parse `https://host:port/path`. Raises `ValueError` with a sentence for anything else, including plain http."""
    if text.startswith("http://"):
        raise ValueError("plain http is refused, since it would show the credentials to the network: write https://")
    match = _URL.fullmatch(text)
    port = int(match[4] or _PORT_OF_HTTPS) if match else 0
    if match is None or not 0 < port <= _LARGEST_PORT or _UNSENT & set(match[5] or ""):
        raise ValueError("it is not the address of an API server (such as https://10.0.0.1:6443)")
    return ServerURL(match[2] or match[3], port, (match[5] or "").rstrip("/"))
