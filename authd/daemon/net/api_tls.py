"""TLS connections to a Kubernetes API server: checked as those to STS, also by IP address, with client certificates."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import SSL, crypto
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint

from authd.core.errors import ConfigError, Problem
from authd.daemon.net.client_tls import VerifiedHost, VerifiedTLSEndpoint, trust_context
from authd.kubernetes.access import ClusterAccess, Content

_CONNECT_SECONDS = 5.0


class APIConnector:
    """Makes verified TLS connections to API servers. `connect_timeout` is in seconds, for each address."""

    def __init__(self, reactor: Any, *, connect_timeout: float = _CONNECT_SECONDS) -> None:
        self._reactor = reactor
        self._connect_timeout = connect_timeout

    def endpoint(self, access: ClusterAccess) -> IStreamClientEndpoint:
        """Return an API server's endpoint. Reads the certificate files. Raises `ConfigError`."""
        stream = HostnameEndpoint(self._reactor, access.host, access.port, timeout=self._connect_timeout)
        return VerifiedTLSEndpoint(VerifiedHost(access.server_name or access.host, _context(access)), stream)


def _context(access: ClusterAccess) -> SSL.Context:
    pem = [b"" if part is None else part.read() for part in (access.ca, access.certificate, access.key)]
    try:
        if access.ca is not None and not pem[0]:
            raise ValueError("an empty file is no reason to trust the system's authorities")
        return _built(*pem)
    except (ValueError, TypeError, SSL.Error, crypto.Error):
        files = (part.file for part in (access.ca, access.certificate, access.key) if isinstance(part, Content))
        place = ", ".join(file for file in files if file) or "kubeconfig"
        message = "the API server's CA is not PEM, or the client's certificate and key do not match"
        raise ConfigError((Problem(file=place, line=0, column=0, message=message),)) from None


@lru_cache(maxsize=2)  # before and after a rotation; each takes up to 12 ms to build
def _built(ca: bytes, certificate: bytes, key: bytes) -> SSL.Context:
    context = trust_context(None, ca)
    if certificate:
        first, *chain = load_pem_x509_certificates(certificate)
        context.use_certificate(first)
        for issuer in chain:
            context.add_extra_chain_cert(issuer)
        private: Any = load_pem_private_key(key, None)
        context.use_privatekey(private)
        context.check_privatekey()
    return context
