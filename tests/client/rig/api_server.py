"""A TLS server in place of kube-apiserver. It verifies the bearer token's signature and serves a few paths."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import trustme

from authd.client.fast.sigv4 import sign_get_caller_identity
from tests.integration.rig.tls_server import send_json, serving


@dataclass(slots=True)
class APIServer:
    """The server's address and CA, the keys that it knows, and the key IDs of the requests that it accepted.

    Requests with a token in `refused` get a 401.
    """

    url: str
    ca_file: Path
    cluster_id: str
    secrets: dict[str, str]
    accepted: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    reviews: bool = True

    def identify(self, authorization: str) -> str | None:
        """Return the ID of the key that signed the bearer token, or None for an invalid token."""
        scheme, _, token = authorization.partition(" ")
        self.tokens.append(token)
        if scheme != "Bearer" or not token.startswith("k8s-aws-v1.") or token in self.refused:
            return None
        text = token.removeprefix("k8s-aws-v1.")
        parts = urlsplit(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        key_id, _, region, *_ = query["X-Amz-Credential"].split("/")
        if key_id not in self.secrets:
            return None
        expected = sign_get_caller_identity(
            access_key=key_id.encode(),
            secret_key=self.secrets[key_id].encode(),
            session_token=query.get("X-Amz-Security-Token", "").encode(),
            host=parts.netloc,
            region=region,
            cluster_id=self.cluster_id.encode(),
            date=query["X-Amz-Date"],
        )
        return key_id if parse_qs(urlsplit(expected).query)["X-Amz-Signature"] == [query["X-Amz-Signature"]] else None


@contextmanager
def run_api_server(folder: Path, cluster_id: str, secrets: dict[str, str]) -> Iterator[APIServer]:
    """Run the server until the end of the block."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    ca_file = folder / "api-server-ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    api = APIServer("", ca_file, cluster_id, secrets)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api))
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # clients that refuse the certificate
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    api.url = f"https://127.0.0.1:{server.server_port}"
    with serving(server):
        yield api


def _handler(api: APIServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _respond(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            key_id = api.identify(self.headers.get("authorization", ""))
            if key_id is None:
                send_json(self, 401, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 401})
                return
            api.accepted.append(key_id)
            path = self.path.partition("?")[0].rstrip("/")
            found = _documents(key_id, reviews=api.reviews).get(path)
            send_json(self, 200 if found else 404, found or {"kind": "Status", "apiVersion": "v1", "code": 404})

        do_GET = do_POST = _respond  # noqa: N815  # http.server's names

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler


def _documents(key_id: str, *, reviews: bool) -> dict[str, object]:
    user = {"username": f"aws:{key_id}", "uid": "u-1", "groups": ["developers", "system:authenticated"],
            "extra": {"sessionName": ["alice"]}}  # fmt: skip
    namespace = {"metadata": {"name": "default", "uid": "1", "resourceVersion": "1"}, "spec": {}, "status": {}}
    found: dict[str, object] = {
        "/version": {"major": "1", "minor": "33", "gitVersion": "v1.33.0", "gitCommit": "", "gitTreeState": "",
                     "buildDate": "", "goVersion": "", "compiler": "", "platform": ""},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
        "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [
            {"name": "namespaces", "singularName": "namespace", "namespaced": False, "kind": "Namespace",
             "verbs": ["get", "list"], "shortNames": ["ns"]}]},
        "/api/v1/namespaces": {"kind": "NamespaceList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"},
                               "items": [namespace]},
        "/api/v1/namespaces/default": {"kind": "Namespace", "apiVersion": "v1", **namespace},
    }  # fmt: skip
    if reviews:
        review = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "status": {"userInfo": user}}
        found["/apis/authentication.k8s.io/v1/selfsubjectreviews"] = review
    return found
