"""Sends one HTTPS request. Errors name the step that failed, its address and the reason."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass

#: Larger than any expected response.
_MAX_BODY = 65_536
_MAX_PROXY_HEAD = 8_192


class ProbeError(Exception):
    """A step failed. The message names it, its address and the reason."""


class ConnectionRefused(ProbeError):
    """No process listens at the address."""


class Untrusted(ProbeError):
    """The server's certificate is not trusted, or TLS failed in another way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The route to a host. TLS verifies `host`. A proxy gets a CONNECT for `address`."""

    host: str
    address: tuple[str, int]
    proxy: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response. `seconds` is the time from connecting to the end of the response."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


def client_context(ca_pem: str = "", ca_file: str | None = None, certificate: bytes = b"") -> ssl.SSLContext:
    """Return a verifying context. `certificate` is a client certificate with key. Raises `OSError`."""
    context = ssl.create_default_context(cafile=ca_file, cadata=ca_pem or None)
    if ca_pem:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # Go's clients also trust a leaf that is in the bundle
    if certificate:
        descriptor = os.memfd_create("client-certificate")  # the key must not be written to a disk
        try:
            os.write(descriptor, certificate)
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
    return context


def probe(route: Route, context: ssl.SSLContext, path: str, body: bytes = b"", timeout: float = 5.0) -> Response:
    """Send one request, a POST of JSON if there is a body. `timeout` is in seconds for each step."""
    begin = time.monotonic()
    with _handshake(_stream(route, timeout), context, route) as stream:
        connection = http.client.HTTPConnection(route.host, route.address[1])
        connection.sock = stream
        headers = {"Content-Type": "application/json"} if body else {}
        try:
            connection.request("POST" if body else "GET", path, body or None, headers)
            response = connection.getresponse()
            content = response.read(_MAX_BODY)
        except TimeoutError:
            raise ProbeError(f"{route.host} did not answer within {timeout:g} s") from None
        except ssl.SSLError as error:
            raise Untrusted(f"TLS with {_place(route.address)} failed: {_tls_reason(error)}") from None
        except (http.client.HTTPException, OSError) as error:
            raise ProbeError(f"{route.host} did not answer by HTTP: {type(error).__name__}") from None
    seconds = time.monotonic() - begin
    return Response(status=response.status, headers=dict(response.getheaders()), body=content, seconds=seconds)


def _stream(route: Route, timeout: float) -> socket.socket:
    stream = _connect(route.proxy or route.address, timeout, "the proxy" if route.proxy else "")
    if route.proxy is not None:
        try:
            _open_tunnel(stream, route)
        except BaseException:
            stream.close()
            raise
    return stream


def _connect(address: tuple[str, int], timeout: float, role: str) -> socket.socket:
    place = f"{role} {_place(address)}".strip()
    try:
        return socket.create_connection(address, timeout)
    except socket.gaierror as error:
        raise ProbeError(f"the name of {place} can't be resolved: {error.strerror}") from None
    except UnicodeError:  # a label is empty or longer than 63 characters
        raise ProbeError(f"the name of {place} can't be resolved: it is not a host name") from None
    except ConnectionRefusedError:
        raise ConnectionRefused(f"no process listens on {place}") from None
    except TimeoutError:
        raise ProbeError(
            f"no connection to {place} within {timeout:g} s: a firewall drops it, or there is no route"
        ) from None
    except OSError as error:
        raise ProbeError(f"no connection to {place}: {error.strerror}") from None


def _open_tunnel(stream: socket.socket, route: Route) -> None:
    """Ask the proxy for a tunnel. Source: RFC 9110, section 9.3.6."""
    assert route.proxy is not None
    place, target = _place(route.proxy), _place(route.address)
    head = b""
    try:
        stream.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        while b"\r\n\r\n" not in head:
            data = stream.recv(1)  # byte by byte, because TLS begins directly after the head
            if not data or len(head) > _MAX_PROXY_HEAD:
                raise ProbeError(f"the proxy {place} does not answer to CONNECT")
            head += data
    except OSError as error:
        raise ProbeError(f"the proxy {place} does not answer: {error}") from None
    status = head.split(b"\r\n", 1)[0].split(b" ")[1:2]
    if status != [b"200"]:
        refusal = b"".join(status).decode("ascii", "replace")
        raise ProbeError(f"the proxy {place} refuses a tunnel to {target} with {refusal}")


def _handshake(stream: socket.socket, context: ssl.SSLContext, route: Route) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(stream, server_hostname=route.host)
    except ssl.SSLCertVerificationError as error:
        stream.close()
        reason = error.verify_message
        raise Untrusted(
            f"the certificate at {_place(route.address)} is not accepted for {route.host}: {reason}"
        ) from None
    except TimeoutError:
        stream.close()
        raise ProbeError(f"{_place(route.address)} does not answer to the TLS handshake") from None
    except OSError as error:
        stream.close()
        reason = _tls_reason(error)
        raise Untrusted(f"TLS with {_place(route.address)} failed: {reason}") from None


def _tls_reason(error: OSError) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else ""
    return (reason or error.strerror or type(error).__name__).lower().replace("_", " ")


def _place(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
