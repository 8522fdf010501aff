"""What certificates that are there already say: kept while they are of use."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from authd.daemon.certificates import CertifiedKey
from authd.daemon.state_files import StateFiles


def kept_client(kubeconfig: Path, files: StateFiles) -> CertifiedKey | None:
    """Return the client's pair in a kubeconfig, None unless the authority of the state directory signed it.

    kube-apiserver reads its kubeconfig once: a pair that it holds must go on being right.
    """
    try:
        user = yaml.safe_load(kubeconfig.read_bytes())["users"][0]["user"]
        pair = CertifiedKey(
            certificate_pem=base64.b64decode(user["client-certificate-data"], validate=True),
            key_pem=base64.b64decode(user["client-key-data"], validate=True),
        )
        certificate = x509.load_pem_x509_certificate(pair.certificate_pem)
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(files.authority.read_bytes()))
    except (OSError, yaml.YAMLError, KeyError, IndexError, TypeError, binascii.Error, ValueError, InvalidSignature):
        return None
    return pair  # which lasts as long as its authority does


def names_of(certificate: x509.Certificate) -> frozenset[str]:
    """Return the DNS names and IP addresses that a server's certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return frozenset([*names.get_values_for_type(x509.DNSName), *addresses])
