"""TLS of the webhook's port: TLS 1.2 with forward secrecy or 1.3, and a certificate that can be swapped."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from authd.daemon.client_tls import AEAD_SUITES

_HTTP_1_1 = b"http/1.1"


def server_context(certificate_file: str, key_file: str, client_ca_file: str | None = None) -> SSL.Context:
    """Load a pair of PEM files; with `client_ca_file`, peers without a certificate of it are cut off.

    Raises `OSError` where a file can't be read and `SSL.Error` where the pair is broken or does not match.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(AEAD_SUITES)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    # No session is resumed: a ticket would let a client in whose certificate nobody has looked at again.
    context.set_options(SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 34 KB for each connection at rest
    for file in (certificate_file, key_file):
        with open(file, "rb"):  # noqa: PTH123  # an unreadable file's own error says more than OpenSSL's
            pass
    context.use_certificate_chain_file(certificate_file)
    context.use_privatekey_file(key_file)
    context.check_privatekey()
    context.set_alpn_select_callback(_select_protocol)
    if client_ca_file is not None:
        context.load_verify_locations(client_ca_file)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    return context


def _select_protocol(
    _connection: SSL.Connection, offered: list[bytes]
) -> bytes | SSL._NoOverlappingProtocols:  # the sentinel's type
    return _HTTP_1_1 if _HTTP_1_1 in offered else SSL.NO_OVERLAPPING_PROTOCOLS


@implementer(IOpenSSLServerConnectionCreator)
class SwappableServerTLS:
    """Makes connections with the context that is current; those that live go on with theirs."""

    def __init__(self, context: SSL.Context) -> None:
        self.current = context

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Return a connection that waits for a client's hello."""
        connection = SSL.Connection(self.current, None)
        connection.set_app_data(tlsProtocol)
        return connection
