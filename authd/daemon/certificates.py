"""X.509 certificates: a small authority of one's own and the leaf that it signs. Bytes in, bytes out.

Source: RFC 5280; the key type (ECDSA on P-256) because its handshakes cost the server a tenth of RSA's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: kube-apiserver reads the authority once, at its start, from the webhook kubeconfig: it must outlive nodes.
AUTHORITY_LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=90)
#: Clocks that run behind the one that made the certificate still accept it.
_BACKDATE = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CertifiedKey:
    """A certificate and its private key, both PEM; the key is not encrypted."""

    certificate_pem: bytes
    key_pem: bytes

    def __repr__(self) -> str:
        return "<CertifiedKey>"


def new_authority(common_name: str, now: datetime) -> CertifiedKey:
    """Make a certificate authority that may sign leaves and nothing below; `now` is aware."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name)
    usage = _key_usage(signs_certificates=True)
    builder = (
        _builder(name, name, key.public_key(), now, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    return _signed(builder, key, key)


def new_leaf(authority: CertifiedKey, hosts: Sequence[str], now: datetime) -> CertifiedKey:
    """Make a server's certificate for DNS names and IP addresses, signed by the authority."""
    names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
    return _leaf(authority, hosts[0], now, ExtendedKeyUsageOID.SERVER_AUTH, names)


def new_client_leaf(authority: CertifiedKey, common_name: str, now: datetime) -> CertifiedKey:
    """Make a client's certificate; it lives as long as the authority, since its reader reads it once."""
    return _leaf(authority, common_name, now, ExtendedKeyUsageOID.CLIENT_AUTH, None)


def _leaf(
    authority: CertifiedKey,
    common_name: str,
    now: datetime,
    usage: x509.ObjectIdentifier,
    names: x509.SubjectAlternativeName | None,
) -> CertifiedKey:
    issuer = x509.load_pem_x509_certificate(authority.certificate_pem)
    signer = serialization.load_pem_private_key(authority.key_pem, password=None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    lifetime = issuer.not_valid_after_utc - now
    if names is not None:
        lifetime = min(lifetime, LEAF_LIFETIME)
    builder = (
        _builder(_name(common_name), issuer.subject, key.public_key(), now, lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(_authority_key_identifier(issuer), critical=False)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return _signed(builder, key, signer)


def _authority_key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _signed(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> CertifiedKey:
    certificate = builder.sign(signer, hashes.SHA256())
    return CertifiedKey(
        certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
        key_pem=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
