"""Readers of network addresses. Each returns a checked value or raises `InvalidValue`."""

from __future__ import annotations

import ipaddress
import re

from authd.config.fields.values import InvalidValue, integer

#: RFC 1035, section 2.3.4.
_MAX_HOST_LENGTH = 253

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_LOCAL_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
#: Names of containers and in hosts files may have underscores.
_LOCAL_HOST = re.compile(rf"(?:{_LOCAL_LABEL}\.)*(?![0-9]+\Z){_LOCAL_LABEL}")
_HOST = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}")
_AUTHORITY = re.compile(r"(?:\[([0-9a-fA-F:.]{2,45})\]|([^\[\]:/@]{1,253})):([0-9]{1,5})")

_COLLECTOR = re.compile(r"(https?)://([^/?#]{1,300}?)(:[0-9]{1,5})?((?:/[A-Za-z0-9._~-]+)*)/?")
#: The path of traces at a collector. Source: OTLP specification, "OTLP/HTTP Request".
_TRACES_PATH = "/v1/traces"

#: A port to listen on. 0 is any free port, for tests.
port = integer(0, 65535)


def ip_address(text: str) -> str:
    """Read an IP address."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InvalidValue("must be an IP address, such as 127.0.0.1 or ::1") from None


def listen_address(text: str) -> str:
    """Read an address to listen on: an IP address (IPv6 also in brackets) or a host name."""
    if text.startswith("[") and text.endswith("]"):
        return ip_address(text[1:-1])
    try:
        return host(text)
    except InvalidValue:
        raise InvalidValue("must be an IP address, such as 127.0.0.1 or ::1, or a host name") from None


def host_name(text: str) -> str:
    """Read the daemon's host name or IP address (IPv6 also in brackets)."""
    return ip_address(text[1:-1]) if text.startswith("[") and text.endswith("]") else host(text)


def dns_name(text: str) -> str:
    """Read a DNS name, which must be in lower case, because names are compared so."""
    if not _HOST.fullmatch(text) or len(text) > _MAX_HOST_LENGTH:
        raise InvalidValue("must be a DNS name in lower case")
    return text


def host(text: str) -> str:
    """Read a DNS name in any case, or an IP address. Returns it in lower case."""
    if text.isascii() and len(text) <= _MAX_HOST_LENGTH and _LOCAL_HOST.fullmatch(text.lower()):
        return text.lower()
    try:
        return ip_address(text)
    except InvalidValue:
        raise InvalidValue("must be a DNS name or an IP address") from None


def host_and_port(text: str) -> tuple[str, int]:
    """Read `host:port`. An IPv6 address must have brackets and is returned without them."""
    match = _AUTHORITY.fullmatch(text)
    try:
        if match is None:
            raise InvalidValue("shape")
        number = integer(1, 65535)(match[3])
        return (ip_address(match[1]) if match[1] else host(match[2])), number
    except InvalidValue:
        raise InvalidValue("must be host:port, such as 127.0.0.1:8443 or [::1]:8443") from None


def connect(text: str) -> str:
    """Read `host:port`. Returns it as written."""
    host_and_port(text)
    return text


def proxy(text: str) -> tuple[str, int]:
    """Read the address of an HTTP proxy, `http://host:port`."""
    scheme, separator, authority = text.partition("://")
    if "@" in text:
        raise InvalidValue("must not have a user name or password: authd can't log in to proxies")
    if not separator or scheme.lower() != "http":
        raise InvalidValue("must be http://host:port: the proxy speaks plain HTTP, and TLS to STS goes through it")
    try:
        return host_and_port(authority.removesuffix("/"))
    except InvalidValue:
        raise InvalidValue("must be http://host:port, such as http://proxy.example.com:3128") from None


def collector_url(text: str) -> str:
    """Read the URL of an OTLP collector. Returns it with the path of traces if it has no path."""
    match = _COLLECTOR.fullmatch(text)
    if "@" in text:
        raise InvalidValue("must not hold a user name or password: put a header into headersFile")
    try:
        if match is None:
            raise InvalidValue("shape")
        scheme, name, number, path = match.groups()
        host_and_port(f"{name}{number or ':443'}")
    except InvalidValue:
        raise InvalidValue("must be http://host:port or https://host:port, such as http://127.0.0.1:4318") from None
    return f"{scheme}://{name.lower()}{number or ''}{path or _TRACES_PATH}"


def is_plain(url: str) -> bool:
    """Return whether a collector's URL is plain HTTP."""
    return url.startswith("http:")


def is_local(url: str) -> bool:
    """Return whether a collector's URL has `localhost` or a loopback address as its host."""
    match = _COLLECTOR.fullmatch(url)
    name = "" if match is None else match[2].strip("[]")
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
