"""Texts to addresses on the network: each function returns what can't be wrong, or raises `InvalidValue`."""

from __future__ import annotations

import ipaddress
import re

from authd.config.values import InvalidValue, integer

#: RFC 1035, section 2.3.4.
_MAX_HOST_LENGTH = 253

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}")
_AUTHORITY = re.compile(r"(?:\[([0-9a-fA-F:.]{2,45})\]|([^\[\]:/@]{1,253})):([0-9]{1,5})")

#: A port to listen on; 0 leaves the choice to the system, which is of use to tests alone.
port = integer(0, 65535)


def ip_address(text: str) -> str:
    """Read an IP address."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InvalidValue("must be an IP address, such as 127.0.0.1 or ::1") from None


def dns_name(text: str) -> str:
    """Read a DNS name in lower case, since that is how names are compared."""
    if not _HOST.fullmatch(text) or len(text) > _MAX_HOST_LENGTH:
        raise InvalidValue("must be a DNS name in lower case")
    return text


def host(text: str) -> str:
    """Read a DNS name, whatever its case, or an IP address; returns it in lower case."""
    try:
        return dns_name(text.lower() if text.isascii() else text)
    except InvalidValue:
        try:
            return ip_address(text)
        except InvalidValue:
            raise InvalidValue("must be a DNS name or an IP address") from None


def host_and_port(text: str) -> tuple[str, int]:
    """Read `host:port`; an IPv6 address stands in brackets there, and is returned without them."""
    match = _AUTHORITY.fullmatch(text)
    try:
        if match is None:
            raise InvalidValue("shape")
        number = integer(1, 65535)(match[3])
        return (ip_address(match[1]) if match[1] else host(match[2])), number
    except InvalidValue:
        raise InvalidValue("must be host:port, such as 127.0.0.1:8443 or [::1]:8443") from None


def connect(text: str) -> str:
    """Read `host:port` and return it as it is written."""
    host_and_port(text)
    return text


def proxy(text: str) -> tuple[str, int]:
    """Read the address of an HTTP proxy, `http://host:port`."""
    scheme, separator, authority = text.partition("://")
    if "@" in text:
        raise InvalidValue("must not hold a user's name or password: proxies are used without")
    if not separator or scheme.lower() != "http":
        raise InvalidValue("must be http://host:port: a proxy is spoken to by plain HTTP, TLS goes through it")
    try:
        return host_and_port(authority.removesuffix("/"))
    except InvalidValue:
        raise InvalidValue("must be http://host:port, such as http://proxy.example.com:3128") from None
