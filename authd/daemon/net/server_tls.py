"""TLS of the webhook's port: TLS 1.3, or 1.2 with forward secrecy, and a certificate that can be swapped."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from OpenSSL.crypto import X509

from authd.daemon.net.client_tls import AEAD_SUITES
from authd.state.x509 import CertifiedKey

_HTTP_1_1 = b"http/1.1"
#: The kinds of key that kube-apiserver accepts. Source: Go's crypto/tls.
_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def server_context(certificate_file: str, key_file: str, client_ca_file: str | None = None) -> SSL.Context:
    """Return `pair_context` for a pair of PEM files. Raises `OSError` if one can't be read."""
    pair = CertifiedKey(certificate_pem=Path(certificate_file).read_bytes(), key_pem=Path(key_file).read_bytes())
    return pair_context(pair, None if client_ca_file is None else Path(client_ca_file).read_bytes())


def pair_context(pair: CertifiedKey, client_ca_pem: bytes | None = None) -> SSL.Context:
    """Build a context that serves a pair. With `client_ca_pem`, clients must have a certificate of that CA.

    Raises `ValueError` with a message for an administrator if the pair is broken or does not match.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(AEAD_SUITES)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    # No session resumption, because it would skip the check of the client's certificate.
    context.set_options(SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # saves 34 KB per idle connection
    _use_pair(context, pair)
    context.set_alpn_select_callback(_select_protocol)
    if client_ca_pem is not None:
        store = context.get_cert_store()
        assert store is not None
        for authority in _certificates(client_ca_pem, "the CA ca.pem"):
            store.add_cert(X509.from_cryptography(authority))
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    return context


def _use_pair(context: SSL.Context, pair: CertifiedKey) -> None:
    leaf, *intermediates = _certificates(pair.certificate_pem, "the certificate")
    key = _private_key(pair.key_pem)
    if key.public_key() != leaf.public_key():
        raise ValueError("the certificate and the key do not match")
    try:
        context.use_certificate(leaf)
        for certificate in intermediates:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(key)
        context.check_privatekey()
    except SSL.Error:
        raise ValueError("TLS can't use the certificate or the key, or they are too weak") from None


def _certificates(pem: bytes, what: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise ValueError(f"{what} is broken") from None


def _private_key(pem: bytes) -> _Key:
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("the key is encrypted") from None
    except Exception:  # also of unknown algorithms; an error's own text could contain a part of the key
        raise ValueError("the key is broken") from None
    if not isinstance(key, _Key):
        raise ValueError("TLS can't use this kind of key")  # noqa: TRY004  # the file is at fault
    return key


def _select_protocol(
    _connection: SSL.Connection, offered: list[bytes]
) -> bytes | SSL._NoOverlappingProtocols:  # the sentinel's type
    return _HTTP_1_1 if _HTTP_1_1 in offered else SSL.NO_OVERLAPPING_PROTOCOLS


class SwappableServerTLS:
    """Creates connections with the current context. Open connections keep theirs."""

    def __init__(self, context: SSL.Context) -> None:
        self.current = context

    def connection(self) -> SSL.Connection:
        """Return a connection that waits for a ClientHello."""
        connection = SSL.Connection(self.current, None)
        connection.set_accept_state()
        return connection
