"""The webhook kubeconfig: what `--authentication-token-webhook-config-file` of kube-apiserver points to.

Source: Kubernetes, "Webhook Token Authentication".
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

import yaml

from authd.state.x509 import CertifiedKey


def client_entries(client: CertifiedKey) -> dict[str, str]:
    """Return a client's certificate and key as a kubeconfig's user has them."""
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
    """Write the kubeconfig; with `client`, or the entries of a `user`, kube-apiserver proves itself by them."""
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


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
