"""The webhook kubeconfig, the file that kube-apiserver's `--authentication-token-webhook-config-file` names.

Source: Kubernetes, "Webhook Token Authentication".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import yaml
from cryptography import x509

from authd.core.errors import ConfigError, Problem
from authd.state.atomic_file import read_regular, write_if_changed
from authd.state.certificate_checks import issuer_problem, validity_of
from authd.state.certificate_store import StateFiles
from authd.state.x509 import CertifiedKey

#: The entries of a kubeconfig's user, in client-go's order of precedence: inline data, then a file.
_CERTIFICATES = ("client-certificate-data", "client-certificate")
_KEYS = ("client-key-data", "client-key")


def ensure_kubeconfig(
    path: Path, files: StateFiles, *, host: str, port: int, now: datetime, mutual_tls: bool = False
) -> bool:
    """Write the kubeconfig if it is missing or outdated. Returns whether it was written.

    With `mutual_tls` the file gets a client certificate. Without it, an existing one stays. Raises `ConfigError` if the
    file can't be written.
    """
    try:
        trusted_pem = files.trusted_pem()
        return write_kubeconfig(
            path, files, host=host, port=port, now=now, trusted_pem=trusted_pem, mutual_tls=mutual_tls
        )
    except OSError as error:
        raise ConfigError((unwritable(path, error),)) from None


def write_kubeconfig(
    path: Path, files: StateFiles, *, host: str, port: int, now: datetime, trusted_pem: bytes, mutual_tls: bool
) -> bool:
    """Write the kubeconfig as `ensure_kubeconfig` does, with `trusted_pem` as its CA. Raises `OSError`."""
    user = user_entries(path, files, now, required=mutual_tls)
    content = webhook_kubeconfig(host=host, port=port, authority_pem=trusted_pem, user=user)
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_if_changed(path, content)


def unwritable(path: Path, error: OSError) -> Problem:
    """Return the problem of a kubeconfig that can't be written."""
    message = (
        f"the webhook kubeconfig can't be written: {error.strerror}; run `authd init` as root and set "
        "server.kubeconfigPregenerated, or choose another server.generateKubeconfig"
    )
    return Problem(file=str(path), line=0, column=0, message=message)


def client_entries(client: CertifiedKey) -> dict[str, str]:
    """Return a client certificate and its key as entries of a kubeconfig's user."""
    return {
        "client-certificate-data": _base64(client.certificate_pem),
        "client-key-data": _base64(client.key_pem),
    }


def webhook_kubeconfig(
    *,
    host: str,
    port: int,
    authority_pem: bytes,
    client: CertifiedKey | None = None,
    user: Mapping[str, str] | None = None,
) -> bytes:
    """Return the kubeconfig. `client`, or the entries of a `user`, hold kube-apiserver's client certificate."""
    entries = client_entries(client) if client is not None else dict(user or {})
    location = f"[{host}]" if ":" in host else host
    cluster = {
        "certificate-authority-data": _base64(authority_pem),
        "server": f"https://{location}:{port}/authenticate",
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "authd", "cluster": cluster}],
        "users": [{"name": "kube-apiserver", "user": entries}],
        "contexts": [{"name": "webhook", "context": {"cluster": "authd", "user": "kube-apiserver"}}],
        "current-context": "webhook",
    }
    return yaml.safe_dump(content, sort_keys=False).encode()


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
            return {}  # the usual case, a thousand times faster than parsing YAML
        user = yaml.safe_load(content)["users"][0]["user"]
        return {name: user[name] for name in (*_CERTIFICATES, *_KEYS) if isinstance(user.get(name), str)}
    except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _certificate(entries: Mapping[str, str], folder: Path) -> x509.Certificate | None:
    """Return the certificate of the entries, None if it or its key is missing."""
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
    if not path.is_file():  # only kube-apiserver needs to read it, so the daemon may lack permission
        raise FileNotFoundError(str(path))
    return read_regular(path) if names is _CERTIFICATES else b""


def _refused(certificate: x509.Certificate, files: StateFiles, now: datetime) -> str:
    try:
        authority = x509.load_pem_x509_certificate(read_regular(files.authority))
    except (OSError, ValueError):
        return "there is no CA"
    return issuer_problem(certificate, authority) or validity_of(certificate).problem(now)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
