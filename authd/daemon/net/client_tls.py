"""TLS connections to STS and other servers. The handshake fails unless chain and host name are verified.

Source: RFC 9525 (service identity in TLS), checked by the service-identity package.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import SSL, crypto
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from zope.interface import implementer

from authd.daemon.net.tls import TLSBatches, TLSFactory

#: Cipher suites of TLS 1.2 with forward secrecy and authenticated encryption. TLS 1.3 has no others.
AEAD_SUITES = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    b"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    b"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)


def trust_context(ca_file: str | None, ca_pem: bytes = b"") -> SSL.Context:
    """Build a client's TLS context that trusts a file, a PEM bundle, or the system's authorities.

    It takes 1 to 12 ms, so share it. Raises `OSError`, `SSL.Error` or `ValueError` if the file can't be read or
    there is no certificate.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(AEAD_SUITES)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # saves 34 KB per idle connection
    if ca_pem:
        store = context.get_cert_store()
        assert store is not None
        for certificate in load_pem_x509_certificates(ca_pem):
            store.add_cert(crypto.X509.from_cryptography(certificate))
    elif ca_file is None:
        context.set_default_verify_paths()
    else:
        with open(ca_file, "rb"):  # noqa: PTH123  # the OS's error is clearer than OpenSSL's
            context.load_verify_locations(ca_file)
    return context


def _is_address(host: str) -> bool:
    return bool(isIPAddress(host) or isIPv6Address(host))


def _verify_callback(host: str) -> Callable[[SSL.Connection, crypto.X509, int, int, int], bool]:
    identity = IPAddress_ID(host) if _is_address(host) else DNS_ID(host)

    def verify(_connection: SSL.Connection, certificate: crypto.X509, _error: int, depth: int, trusted: int) -> bool:
        # OpenSSL calls this for every certificate of the chain, the server's (depth 0) last. Any exception must fail
        # the handshake, for example if a certificate can't be parsed.
        try:
            if depth == 0:
                verify_service_identity(extract_patterns(certificate), [identity], [])
        except Exception:
            return False
        return bool(trusted)

    return verify


class VerifiedHost:
    """Creates TLS connections whose handshake fails unless the peer's certificate is for `host`."""

    def __init__(self, host: str, context: SSL.Context) -> None:
        self._name = b"" if _is_address(host) else host.encode("ascii")
        self._context = context
        self._verify = _verify_callback(host)

    def connection(self) -> SSL.Connection:
        """Return a connection before its handshake."""
        connection = SSL.Connection(self._context, None)
        connection.set_connect_state()
        if self._name:  # addresses are not sent: RFC 6066, section 3
            connection.set_tlsext_host_name(self._name)
        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._verify)
        return connection


@implementer(IStreamClientEndpoint)
class VerifiedTLSEndpoint:
    """An endpoint for TLS with a verified host, over the stream of another endpoint."""

    def __init__(self, host: VerifiedHost, stream: IStreamClientEndpoint, batches: TLSBatches | None = None) -> None:
        self._host = host
        self._stream = stream
        self._batches = batches

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect. The protocol's data is sent only after a successful handshake."""
        factory = TLSFactory(self._host, protocolFactory, self._batches)
        return self._stream.connect(factory).addCallback(lambda wrapper: cast("Any", wrapper).wrappedProtocol)
