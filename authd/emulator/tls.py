"""The emulator's side of TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from authd.emulator.directory.errors import EmulatorError

if TYPE_CHECKING:
    from twisted.protocols.tls import TLSMemoryBIOProtocol

HTTP_1_1 = b"http/1.1"


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """TLS 1.2 and newer with one certificate.

    Takes the chain in PEM, leaf first, and the leaf's RSA or EC key in PEM. Raises `EmulatorError` if they are
    unreadable or don't match.
    """

    def __init__(self, certificate_chain_pem: bytes, key_pem: bytes) -> None:
        try:
            self._context = _context(certificate_chain_pem, key_pem)
        except (ValueError, TypeError, SSL.Error):
            raise EmulatorError("the certificate chain and its key can't be read, or don't belong together") from None

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Begin the server's side of one connection."""
        return SSL.Connection(self._context)


def _context(certificate_chain_pem: bytes, key_pem: bytes) -> SSL.Context:
    leaf, *issuers = load_pem_x509_certificates(certificate_chain_pem)
    key = load_pem_private_key(key_pem, password=None)
    if not isinstance(key, EllipticCurvePrivateKey | RSAPrivateKey):
        raise TypeError("neither an RSA nor an EC key")
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate(leaf)
    for issuer in issuers:
        context.add_extra_chain_cert(issuer)
    # Refuses a key that isn't the certificate's.
    context.use_privatekey(key)
    context.set_alpn_select_callback(_choose_protocol)
    return context


def _choose_protocol(_: SSL.Connection, offered: list[bytes]) -> bytes | SSL._NoOverlappingProtocols:
    return HTTP_1_1 if HTTP_1_1 in offered else SSL.NO_OVERLAPPING_PROTOCOLS
