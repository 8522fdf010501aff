"""An HTTPS client configured by the generated webhook kubeconfig, like kube-apiserver."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import yaml

from authd.emulator.kube_apiserver import post, token_review
from tests.integration.rig.evidence import Evidence

_SECONDS = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response with its original body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def review(self) -> dict[str, Any]:
        """The TokenReview in the response."""
        assert self.status == 200, (self.status, self.body)
        review: dict[str, Any] = json.loads(self.body)
        assert review["kind"] == "TokenReview"
        return review

    @property
    def user(self) -> dict[str, Any]:
        """The user in an accepting response."""
        status = self.review["status"]
        assert status["authenticated"] is True, status
        assert "error" not in status
        return dict(status["user"])

    @property
    def error(self) -> str:
        """The error in a refusing response, empty if there is none."""
        status = self.review["status"]
        assert status["authenticated"] is False, status
        assert "user" not in status
        return str(status.get("error", ""))


class WebhookClient:
    """A client with one persistent connection that trusts only the CA in the kubeconfig."""

    def __init__(self, kubeconfig: Path, evidence: Evidence, *, seconds: float = _SECONDS) -> None:
        self._evidence = evidence
        config = yaml.safe_load(kubeconfig.read_text())
        context = {entry["name"]: entry["context"] for entry in config["contexts"]}[config["current-context"]]
        cluster = {entry["name"]: entry["cluster"] for entry in config["clusters"]}[context["cluster"]]
        self.url = urlsplit(cluster["server"])
        self.authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.tls = ssl.create_default_context(cadata=self.authority)
        self.tls.verify_flags |= ssl.VERIFY_X509_STRICT  # the default since Python 3.13
        user = {entry["name"]: entry["user"] for entry in config["users"]}[context["user"]]
        if "client-certificate-data" in user:
            self._load_pair(kubeconfig.parent, user)
        assert self.url.hostname is not None
        self._connection = http.client.HTTPSConnection(
            self.url.hostname, self.url.port, context=self.tls, timeout=seconds
        )

    def _load_pair(self, folder: Path, user: dict[str, str]) -> None:
        pair = folder / "client-pair.pem"
        pair.write_bytes(b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")))
        self.tls.load_cert_chain(pair)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def review(self, token: str, version: str = "v1", audiences: list[str] | None = None) -> Response:
        """Post a TokenReview for a token, byte for byte as kube-apiserver does."""
        return self.post(token_review(token, version=version, audiences=audiences))

    def post(self, body: bytes) -> Response:
        """Post a TokenReview."""
        response = post(self._connection, self.url.path, body)
        answer = self._answer(response)
        if response.will_close:
            self._connection.close()
        return answer

    def request(
        self, method: str, target: str, body: bytes | None = None, more: dict[str, str] | None = None
    ) -> Response:
        """Send a request with additional headers."""
        headers = {"User-Agent": "Go-http-client/1.1", "Accept": "application/json, */*", "Accept-Encoding": "gzip"}
        headers |= more or {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self._connection.request(method, target, body, headers)
        return self._answer(self._connection.getresponse())

    def _answer(self, response: http.client.HTTPResponse) -> Response:
        answer = Response(status=response.status, headers=dict(response.getheaders()), body=response.read())
        self._evidence.said("the webhook's answers", repr(answer))
        return answer

    def peer_serial(self) -> int:
        """Return the serial number of the server's certificate on this connection."""
        if self._connection.sock is None:
            self._connection.connect()
        certificate = self._connection.sock.getpeercert()
        return int(certificate["serialNumber"], 16)
