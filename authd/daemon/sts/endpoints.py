"""Endpoints for STS hosts: address, proxy and trusted CAs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.logger import Logger

from authd.core.errors import ConfigError, Problem
from authd.core.partitions import ExtraEndpoint
from authd.daemon.net.client_tls import VerifiedHost, VerifiedTLSEndpoint, trust_context
from authd.daemon.net.http_proxy import TunnelEndpoint
from authd.daemon.net.tls import TLSBatches

_log = Logger(namespace="authd.sts")

_HTTPS_PORT = 443
#: Maximum number of built endpoints. Needed because a token may name a region that doesn't exist.
_MAX_BUILT = 512


class STSEndpoints:
    """Builds one endpoint per host, which connects over verified TLS.

    `connect_timeout` is in seconds for each address of a host. `proxy` is a host and a port.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        connect_timeout: float,
        ca_file: str | None = None,
        proxy: tuple[str, int] | None = None,
        extra: Iterable[ExtraEndpoint] = (),
        batches: TLSBatches | None = None,
    ) -> None:
        self._reactor = reactor
        self._connect_timeout = connect_timeout
        self._proxy = proxy
        self._batches = batches
        self._extra = {endpoint.host: endpoint for endpoint in extra}
        self._ca_file = ca_file
        files = {ca_file, *(endpoint.ca_file or ca_file for endpoint in self._extra.values())} - {None}
        # The system's CAs are read on demand, which takes 6 ms. Only a configured file can be wrong.
        self._contexts = {file: _load_context(file) for file in files}
        self._signatures = {file: _signature(file) for file in files if file is not None}
        self._built: dict[str, IStreamClientEndpoint] = {}

    def endpoint(self, host: str) -> IStreamClientEndpoint:
        """Return the endpoint of an allowed host."""
        built = self._built.get(host)
        if built is None:
            if len(self._built) >= _MAX_BUILT:
                self._built.clear()
            built = self._built[host] = self._build(host)
        return built

    def route(self, host: str) -> str:
        """Describe the address of a host or its proxy, for error messages."""
        extra = self._extra.get(host)
        if extra is not None and extra.connect is not None:
            return f"{host} at {extra.connect}"
        if self._proxy is not None:
            return f"{host} through the proxy {self._proxy[0]}:{self._proxy[1]}"
        return f"{host}:{_HTTPS_PORT}"

    def refresh(self) -> None:
        """Read changed CA files for new connections. A broken file is logged, and its old CAs stay in use."""
        for file in self._contexts:
            if file is None or (signature := _signature(file)) == self._signatures.get(file):
                continue
            self._signatures[file] = signature
            try:
                self._contexts[file] = _load_context(file)
            except ConfigError as error:
                _log.error("{problem}; the certificate authorities in use stay", problem=str(error))
            else:
                self._built.clear()
                _log.info("new connections to STS use the changed certificate authorities {file}", file=file)

    @property
    def ca_files(self) -> tuple[str, ...]:
        """The CA files of the settings."""
        return tuple(file for file in self._contexts if file is not None)

    def _build(self, host: str) -> IStreamClientEndpoint:
        extra = self._extra.get(host, ExtraEndpoint(host=host))
        ca_file = extra.ca_file or self._ca_file
        context = self._contexts[ca_file] = self._contexts.get(ca_file) or _load_context(ca_file)
        creator = VerifiedHost(host, context)
        return VerifiedTLSEndpoint(creator, self._stream(extra), self._batches)

    def _stream(self, extra: ExtraEndpoint) -> IStreamClientEndpoint:
        if extra.connect is not None:
            address, _, port = extra.connect.rpartition(":")
            return self._address(address.strip("[]"), int(port))
        if self._proxy is not None:
            return TunnelEndpoint(self._address(*self._proxy), extra.host, _HTTPS_PORT)
        return self._address(extra.host, _HTTPS_PORT)

    def _address(self, host: str, port: int) -> IStreamClientEndpoint:
        return HostnameEndpoint(self._reactor, host, port, timeout=self._connect_timeout)


def _signature(file: str) -> tuple[int, ...]:
    """Return the properties that change with a file's content and permissions, empty if they can't be read."""
    try:
        status = Path(file).stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _load_context(ca_file: str | None) -> SSL.Context:
    try:
        return trust_context(ca_file)
    except (OSError, SSL.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no PEM certificate"
        message = f"the certificate authorities for STS can't be read: {reason}"
        raise ConfigError((Problem(file=ca_file or "system trust store", line=0, column=0, message=message),)) from None
