"""X.509 certificates: a local CA and the leaves that it signs. Bytes in, bytes out.

Source: RFC 5280. Keys are ECDSA on P-256, because their handshakes cost the server a tenth of RSA's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: kube-apiserver reads the CA once, at its start, from the webhook kubeconfig. It must outlive nodes.
AUTHORITY_LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=90)
#: Tolerates clocks that run behind the issuer's.
_BACKDATE = timedelta(hours=1)

#: Keys of CAs: authd's own are ECDSA, others may be RSA.
_Signer = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CertifiedKey:
    """A certificate and its private key, both PEM. The key is not encrypted."""

    certificate_pem: bytes
    key_pem: bytes

    def __repr__(self) -> str:
        return "<CertifiedKey>"


def new_ca(common_name: str, now: datetime, lifetime: timedelta = AUTHORITY_LIFETIME) -> CertifiedKey:
    """Create a CA that may sign leaves but no further CAs. `now` is timezone-aware."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _authority_certificate(_name(common_name), key, now - _BACKDATE, now + lifetime)
    return CertifiedKey(certificate_pem=_certificate_pem(certificate), key_pem=_key_pem(key))


def extended_ca(authority: CertifiedKey, now: datetime) -> CertifiedKey:
    """Sign a CA certificate again, with the same key and name, so that it is valid at the timezone-aware `now`.

    Its leaves verify against the old certificate and against the new one. Raises `ValueError` if the CA is broken.
    """
    old, key = _parse_ca(authority)
    begins = min(old.not_valid_before_utc, now - _BACKDATE)
    ends = max(old.not_valid_after_utc, now + AUTHORITY_LIFETIME)
    certificate = _authority_certificate(old.subject, key, begins, ends)
    return CertifiedKey(certificate_pem=_certificate_pem(certificate), key_pem=authority.key_pem)


def new_leaf(
    authority: CertifiedKey, hosts: Sequence[str], now: datetime, lifetime: timedelta = LEAF_LIFETIME
) -> CertifiedKey:
    """Create a server certificate for DNS names and IP addresses, signed by the CA. It expires no later than the CA.

    Raises `ValueError` if the CA is broken or has expired.
    """
    names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
    return _leaf(authority, hosts[0], now, ExtendedKeyUsageOID.SERVER_AUTH, names, lifetime=lifetime)


def new_client_leaf(authority: CertifiedKey, common_name: str, now: datetime) -> CertifiedKey:
    """Create a client certificate. It is valid as long as the CA, since kube-apiserver reads it only at its start.

    Raises `ValueError` if the CA is broken or has expired.
    """
    return _leaf(authority, common_name, now, ExtendedKeyUsageOID.CLIENT_AUTH, None)


def _leaf(
    authority: CertifiedKey,
    common_name: str,
    now: datetime,
    usage: x509.ObjectIdentifier,
    names: x509.SubjectAlternativeName | None,
    *,
    lifetime: timedelta = AUTHORITY_LIFETIME,
) -> CertifiedKey:
    issuer, signer = _parse_ca(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    ends = issuer.not_valid_after_utc
    if names is not None:
        ends = min(ends, now + lifetime)
    builder = (
        _builder(_name(common_name), issuer.subject, key.public_key(), now - _BACKDATE, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(_authority_key_identifier(issuer), critical=False)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(signer, hashes.SHA256())
    return CertifiedKey(certificate_pem=_certificate_pem(certificate), key_pem=_key_pem(key))


def _parse_ca(authority: CertifiedKey) -> tuple[x509.Certificate, _Signer]:
    """Parse a CA and check that its key matches. Raises `ValueError`."""
    certificate = x509.load_pem_x509_certificate(authority.certificate_pem)
    try:
        key = serialization.load_pem_private_key(authority.key_pem, password=None)
    except TypeError:
        raise ValueError("the CA's key is encrypted") from None
    if not isinstance(key, _Signer):
        raise ValueError("the CA's key is neither ECDSA nor RSA")  # noqa: TRY004  # the file is at fault
    if key.public_key() != certificate.public_key():
        raise ValueError("the CA's certificate and key do not match")
    if not _is_authority(certificate):
        raise ValueError("the CA's certificate is not for a CA")  # clients would refuse its leaves
    return certificate, key


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return certificate.version is x509.Version.v1  # as Go decides


def _authority_certificate(name: x509.Name, key: _Signer, begins: datetime, ends: datetime) -> x509.Certificate:
    builder = (
        _builder(name, name, key.public_key(), begins, ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )
    return builder.sign(key, hashes.SHA256())


def _authority_key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        identifier = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    begins: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
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
