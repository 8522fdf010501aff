"""The client certificate in the webhook kubeconfig, with which kube-apiserver authenticates to authd."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import yaml
from cryptography import x509

from authd.state.atomic_file import read_regular
from authd.state.certificate_checks import issuer_problem, validity_of
from authd.state.certificate_store import StateFiles
from authd.state.kubeconfig import client_entries

#: What a kubeconfig's user may name, in the order in which client-go looks: the content itself, then a file.
_CERTIFICATES = ("client-certificate-data", "client-certificate")
_KEYS = ("client-key-data", "client-key")


def user_entries(kubeconfig: Path, files: StateFiles, now: datetime, *, required: bool) -> Mapping[str, str]:
    """Return the entries of the kubeconfig's user: the existing client certificate, or a new one.

    Keeps an existing certificate, because kube-apiserver reads the kubeconfig only at start. Makes a new one if it is
    `required` and the existing one would be refused. Raises `ConfigError`.
    """
    entries = _entries(kubeconfig)
    certificate = _certificate(entries, kubeconfig.parent)
    if certificate is None:
        entries = {}
    if required and (certificate is None or _refused(certificate, files, now)):
        return client_entries(files.client_leaf(now))
    return entries


def _entries(kubeconfig: Path) -> dict[str, str]:
    try:
        content = read_regular(kubeconfig)
        if b"client-" not in content:
            return {}  # as nearly always, and known in a thousandth of the time that reading YAML takes
        user = yaml.safe_load(content)["users"][0]["user"]
        return {name: user[name] for name in (*_CERTIFICATES, *_KEYS) if isinstance(user.get(name), str)}
    except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _certificate(entries: Mapping[str, str], folder: Path) -> x509.Certificate | None:
    """Return the certificate that the entries name, if it is there, and a key beside it."""
    try:
        _content(entries, _KEYS, folder)
        return x509.load_pem_x509_certificate(_content(entries, _CERTIFICATES, folder))
    except (OSError, ValueError, LookupError, binascii.Error):
        return None


def _content(entries: Mapping[str, str], names: tuple[str, str], folder: Path) -> bytes:
    data, file = names
    if entries.get(data):
        return base64.b64decode(entries[data], validate=True)
    path = folder / entries[file]
    if not path.is_file():  # its owner may keep it from us, and need not: kube-apiserver reads it
        raise FileNotFoundError(str(path))
    return read_regular(path) if names is _CERTIFICATES else b""


def _refused(certificate: x509.Certificate, files: StateFiles, now: datetime) -> str:
    try:
        authority = x509.load_pem_x509_certificate(read_regular(files.authority))
    except (OSError, ValueError):
        return "there is no authority"
    return issuer_problem(certificate, authority) or validity_of(certificate).problem(now)
