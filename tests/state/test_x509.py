"""The local CA and its certificates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from authd.state.x509 import (
    AUTHORITY_LIFETIME,
    LEAF_LIFETIME,
    CertifiedKey,
    new_ca,
    new_client_leaf,
    new_leaf,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOSTS = ("authd.example", "127.0.0.1", "::1")


def certificate(pair: CertifiedKey) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate_pem)


def names(leaf: x509.Certificate) -> x509.SubjectAlternativeName:
    return leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def test_the_leaf_is_for_every_host() -> None:
    """Names become DNS names, addresses become IP addresses, and the chain passes RFC 5280's verification."""
    authority = new_ca("authd", NOW)
    leaf = certificate(new_leaf(authority, HOSTS, NOW))
    assert names(leaf).get_values_for_type(x509.DNSName) == ["authd.example"]
    assert names(leaf).get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("::1")]
    policy = PolicyBuilder().store(Store([certificate(authority)])).time(NOW.replace(tzinfo=None))
    for subject in (x509.DNSName("authd.example"), x509.IPAddress(ip_address("127.0.0.1"))):
        policy.build_server_verifier(subject).verify(leaf, [])


def test_lifetimes() -> None:
    """The CA is valid for years, a server certificate for months, and a client certificate as long as its CA."""
    authority = new_ca("authd", NOW)
    ends = certificate(authority).not_valid_after_utc
    assert ends == NOW + AUTHORITY_LIFETIME
    assert certificate(new_leaf(authority, HOSTS, NOW)).not_valid_after_utc == NOW + LEAF_LIFETIME
    assert certificate(new_client_leaf(authority, "kube-apiserver", NOW)).not_valid_after_utc == ends
    late = ends - timedelta(days=3)
    assert certificate(new_leaf(authority, HOSTS, late)).not_valid_after_utc == ends
    assert certificate(authority).not_valid_before_utc < NOW


def test_usages() -> None:
    """The CA only signs. Server and client certificates have different extended key usages."""
    authority = new_ca("authd", NOW)
    basic = certificate(authority).extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    for pair, usage in (
        (new_leaf(authority, HOSTS, NOW), ExtendedKeyUsageOID.SERVER_AUTH),
        (new_client_leaf(authority, "kube-apiserver", NOW), ExtendedKeyUsageOID.CLIENT_AUTH),
    ):
        extensions = certificate(pair).extensions
        assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
        assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_keys_are_p_256_and_not_shown() -> None:
    """Each certificate has its own P-256 key, which no repr shows."""
    authority = new_ca("authd", NOW)
    pairs = [authority, new_leaf(authority, HOSTS, NOW), new_leaf(authority, HOSTS, NOW)]
    keys = [load_pem_private_key(pair.key_pem, None) for pair in pairs]
    assert all(isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1" for key in keys)
    assert len({pair.key_pem for pair in pairs}) == 3
    assert len({certificate(pair).serial_number for pair in pairs}) == 3
    assert "KEY" not in repr(authority)


def test_a_long_name_is_cut_in_the_subject_alone() -> None:
    """The common name is cut to 64 characters. The name in the SAN is complete."""
    host = ".".join(["a" * 60] * 3)
    assert names(certificate(new_leaf(new_ca("x" * 100, NOW), [host], NOW))).get_values_for_type(x509.DNSName) == [host]
