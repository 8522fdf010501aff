"""Sends a SelfSubjectReview, which returns the identity that kube-apiserver sees for a token.

Source: Kubernetes API reference, SelfSubjectReview of `authentication.k8s.io` v1 (since 1.28) and v1beta1 (1.27).
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

from authd.cli.kubeconfig.context import Context, tls_context
from authd.cli.shared.errors import CommandError

_SECONDS = 30
_MAX_BYTES = 1024 * 1024
_VERSIONS = ("v1", "v1beta1")
_ANONYMOUS = "system:anonymous"


def review_self(context: Context, token: str) -> dict[str, Any] | None:
    """Return `userInfo`, empty if the cluster has no SelfSubjectReview, None if it refuses the token."""
    for version in _VERSIONS:
        status, document = _post(context, version, token)
        if status == http.client.UNAUTHORIZED:
            return None
        if status in (http.client.CREATED, http.client.OK):
            user = document.get("status", {}).get("userInfo", {}) if isinstance(document, dict) else {}
            return None if user.get("username") == _ANONYMOUS else user
        if status == http.client.FORBIDDEN:
            raise CommandError("the cluster accepts the login but forbids SelfSubjectReview; bind system:basic-user")
        if status != http.client.NOT_FOUND:
            raise CommandError(f"the cluster answered with HTTP status {status}; look into kube-apiserver's log")
    return {}


def _post(context: Context, version: str, token: str) -> tuple[int, Any]:
    server = urlsplit(str(context.cluster.get("server")))
    body = json.dumps({"kind": "SelfSubjectReview", "apiVersion": f"authentication.k8s.io/{version}"})
    path = f"{server.path.rstrip('/')}/apis/authentication.k8s.io/{version}/selfsubjectreviews"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
    connection = _connection(context, server.hostname, server.port, server.scheme)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        content = response.read(_MAX_BYTES)
    except ssl.SSLCertVerificationError as error:
        reason = f"its certificate is not trusted ({error.verify_message})"
        raise CommandError(f"{server.netloc}: {reason}; check certificate-authority-data in the kubeconfig") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or "no HTTP response"
        raise CommandError(
            f"the cluster's server {server.netloc} cannot be reached: {reason}; check server and proxy-url in the "
            "kubeconfig, and the network"
        ) from None
    finally:
        connection.close()
    try:
        return response.status, json.loads(content)
    except (ValueError, RecursionError):
        return response.status, None


def _connection(context: Context, host: str | None, port: int | None, scheme: str) -> http.client.HTTPConnection:
    if scheme != "https" or not host:
        raise CommandError(f"the server of the context {context.name!r} must be an https URL")
    proxy = urlsplit(str(context.cluster.get("proxy-url") or ""))
    tls, name = tls_context(context), context.cluster.get("tls-server-name")
    via = (proxy.hostname, proxy.port) if proxy.hostname else (host, port or 443)
    connection = _NamedConnection(str(via[0]), via[1], timeout=_SECONDS, context=tls)
    connection.server_name = str(name or host)
    if proxy.hostname:
        connection.set_tunnel(host, port or 443)
    return connection


class _NamedConnection(http.client.HTTPSConnection):
    """A TLS connection that verifies `server_name`, which can differ from the host's name."""

    server_name = ""

    def connect(self) -> None:
        """Connect, through the proxy if there is one, and complete the TLS handshake."""
        http.client.HTTPConnection.connect(self)
        sock: socket.socket = self.sock
        tls: ssl.SSLContext = self._context  # type: ignore[attr-defined]  # http.client's own
        self.sock = tls.wrap_socket(sock, server_hostname=self.server_name)
