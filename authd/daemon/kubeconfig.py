"""The webhook kubeconfig: what `--authentication-token-webhook-config-file` of kube-apiserver points to.

Source: Kubernetes, "Webhook Token Authentication".
"""

from __future__ import annotations

import base64

import yaml

from authd.daemon.certificates import CertifiedKey


def webhook_kubeconfig(*, host: str, port: int, authority_pem: bytes, client: CertifiedKey | None = None) -> bytes:
    """Write the kubeconfig; with `client`, kube-apiserver proves itself by its certificate."""
    user: dict[str, str] = {}
    if client is not None:
        user = {
            "client-certificate-data": _base64(client.certificate_pem),
            "client-key-data": _base64(client.key_pem),
        }
    location = f"[{host}]" if ":" in host else host
    cluster = {
        "certificate-authority-data": _base64(authority_pem),
        "server": f"https://{location}:{port}/authenticate",
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "authd", "cluster": cluster}],
        "users": [{"name": "kube-apiserver", "user": user}],
        "contexts": [{"name": "webhook", "context": {"cluster": "authd", "user": "kube-apiserver"}}],
        "current-context": "webhook",
    }
    return yaml.safe_dump(content, sort_keys=False).encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
