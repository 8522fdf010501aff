"""TLS on the webhook's port: certificates, protocol versions and client certificates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, rsa, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL

from authd.daemon.net.server_tls import SwappableServerTLS, pair_context, server_context
from authd.state.x509 import CertifiedKey
from tests.daemon.tls import Pair, handshake, issue, name

NAMES = [x509.DNSName("localhost")]


@pytest.fixture(scope="module")
def authority() -> Pair:
    return issue(None, None, common_name="authority")


@pytest.fixture(scope="module")
def pair(authority: Pair) -> Pair:
    return issue(authority, NAMES)


def client_context(authority: Pair, pair: Pair | None = None) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    store = context.get_cert_store()
    assert store is not None
    from OpenSSL import crypto

    store.add_cert(crypto.X509.from_cryptography(authority.certificate))
    context.set_verify(SSL.VERIFY_PEER)
    if pair is not None:
        context.use_certificate(pair.certificate)
        context.use_privatekey(pair.key)
    return context


def connect(tls: SwappableServerTLS, context: SSL.Context) -> SSL.Connection:
    """Do a handshake, and return the client's side."""
    client = SSL.Connection(context)
    handshake(client, tls.connection())
    return client


def serial(connection: SSL.Connection) -> int:
    certificate = connection.get_peer_certificate()
    assert certificate is not None
    return certificate.get_serial_number()


def test_a_pair_is_served(authority: Pair, pair: Pair, tmp_path: Path) -> None:
    """Clients receive the certificate of the files."""
    tls = SwappableServerTLS(server_context(*pair.write(tmp_path)))
    assert serial(connect(tls, client_context(authority))) == pair.certificate.serial_number


def test_a_swap_is_for_new_connections(authority: Pair, pair: Pair, tmp_path: Path) -> None:
    """An open connection keeps its certificate. The next one gets the new certificate."""
    tls = SwappableServerTLS(server_context(*pair.write(tmp_path)))
    before = connect(tls, client_context(authority))
    other = issue(authority, NAMES)
    tls.current = server_context(*other.write(tmp_path))
    assert serial(connect(tls, client_context(authority))) == other.certificate.serial_number
    assert serial(before) == pair.certificate.serial_number


def test_an_unusable_certificate_is_not_loaded(authority: Pair, pair: Pair, tmp_path: Path) -> None:
    """A missing file, a broken one, and a key that does not fit the certificate are errors at loading."""
    certificate, key = pair.write(tmp_path)
    with pytest.raises(FileNotFoundError):
        server_context(str(tmp_path / "missing.pem"), key)
    with pytest.raises(FileNotFoundError):
        server_context(certificate, str(tmp_path / "missing.pem"))
    _, strange_key = issue(authority, NAMES).write(tmp_path / "other")
    with pytest.raises(ValueError, match="do not match"):
        server_context(certificate, strange_key)
    for broken in (b"", b"nonsense", pair.pem[:200]):
        (tmp_path / "broken.pem").write_bytes(broken)
        with pytest.raises(ValueError, match="the certificate is broken"):
            server_context(str(tmp_path / "broken.pem"), key)
        with pytest.raises(ValueError, match="the key is broken"):
            server_context(certificate, str(tmp_path / "broken.pem"))
        with pytest.raises(ValueError, match=r"ca\.pem is broken"):
            server_context(certificate, key, str(tmp_path / "broken.pem"))


def test_an_encrypted_key_is_an_error(pair: Pair) -> None:
    """A key with a passphrase is an error. The daemon does not ask for the passphrase."""
    best = serialization.BestAvailableEncryption(b"a passphrase")
    form = serialization.PrivateFormat.PKCS8
    encrypted = CertifiedKey(
        certificate_pem=pair.pem, key_pem=pair.key.private_bytes(serialization.Encoding.PEM, form, best)
    )
    with pytest.raises(ValueError, match="the key is encrypted"):
        pair_context(encrypted)


def test_a_key_unsuitable_for_tls_is_an_error(pair: Pair) -> None:
    """A key of an unsupported kind, or one that is too weak, is an error with an explanation."""
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    for other in (x25519.X25519PrivateKey.generate(), dsa.generate_private_key(1024)):
        strange = other.private_bytes(serialization.Encoding.PEM, form, plain)
        with pytest.raises(ValueError, match="TLS can't use this kind of key"):
            pair_context(CertifiedKey(certificate_pem=pair.pem, key_pem=strange))
    weak = rsa.generate_private_key(65537, 1024)
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name("weak"), name("weak"), weak.public_key(), 1, now, now + timedelta(days=1))
        .sign(weak, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    key = weak.private_bytes(serialization.Encoding.PEM, form, plain)
    with pytest.raises(ValueError, match="too weak"):
        pair_context(CertifiedKey(certificate_pem=certificate, key_pem=key))


def test_the_whole_chain_is_sent(authority: Pair, tmp_path: Path) -> None:
    """Intermediate certificates in the file are sent to the client."""
    from datetime import timedelta

    leaf = issue(authority, NAMES, ends=timedelta(hours=1))
    certificate, key = leaf.write(tmp_path)
    Path(certificate).write_bytes(leaf.pem + authority.pem)
    client = connect(SwappableServerTLS(server_context(certificate, key)), client_context(authority))
    chain = client.get_peer_cert_chain()
    assert chain is not None
    assert len(chain) == 2


@pytest.mark.parametrize(
    ("version", "ciphers"),
    [
        (SSL.TLS1_VERSION, b"ALL"),
        (SSL.TLS1_1_VERSION, b"ALL"),
        (SSL.TLS1_2_VERSION, b"ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384"),
    ],
)
def test_weak_tls_is_refused(authority: Pair, pair: Pair, tmp_path: Path, version: int, ciphers: bytes) -> None:
    """TLS below 1.2 and TLS 1.2 with CBC are refused."""
    tls = SwappableServerTLS(server_context(*pair.write(tmp_path)))
    context = client_context(authority)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    context.set_cipher_list(ciphers + b":@SECLEVEL=0")
    with pytest.raises(SSL.Error):
        connect(tls, context)


@pytest.mark.parametrize(
    ("offered", "chosen"), [([b"h2", b"http/1.1"], b"http/1.1"), ([b"h2"], b""), ([b"http/1.1"], b"http/1.1")]
)
def test_only_http_1_1_is_negotiated(
    authority: Pair, pair: Pair, tmp_path: Path, offered: list[bytes], chosen: bytes
) -> None:
    """HTTP/1.1 is selected if the client offers it. Without an offer the connection works too."""
    context = client_context(authority)
    context.set_alpn_protos(offered)
    client = connect(SwappableServerTLS(server_context(*pair.write(tmp_path))), context)
    assert client.get_alpn_proto_negotiated() == chosen


def test_mutual_tls_accepts_clients_of_the_ca(authority: Pair, pair: Pair, tmp_path: Path) -> None:
    """With a CA for clients, its clients are accepted, and the handshake of all others fails."""
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    tls = SwappableServerTLS(server_context(*pair.write(tmp_path), str(tmp_path / "ca.pem")))
    usage = ExtendedKeyUsageOID.CLIENT_AUTH
    connect(tls, client_context(authority, issue(authority, None, usage=usage)))
    strangers = (None, issue(issue(None, None, common_name="authority"), None, usage=usage), issue(authority, NAMES))
    for stranger in strangers:
        with pytest.raises(SSL.Error):
            connect(tls, client_context(authority, stranger))
