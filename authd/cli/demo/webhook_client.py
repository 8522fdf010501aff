"""A client that posts TokenReviews as kube-apiserver does: over TLS, configured by the webhook kubeconfig."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from authd.emulator.kube_apiserver import post, token_review

#: kube-apiserver's timeout.
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewResponse:
    """The daemon's response. `username` is empty in a denial. `error` is empty if the response has none."""

    status: int
    username: str = ""
    groups: tuple[str, ...] = ()
    error: str = ""


class Webhook:
    """The webhook that a kubeconfig names."""

    def __init__(self, kubeconfig: Path) -> None:
        cluster = yaml.safe_load(kubeconfig.read_bytes())["clusters"][0]["cluster"]
        self.url: str = cluster["server"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._context = ssl.create_default_context(cadata=authority)

    def review(self, token: str) -> ReviewResponse:
        """Post a TokenReview for a token."""
        place = urlsplit(self.url)
        connection = http.client.HTTPSConnection(
            str(place.hostname), place.port, context=self._context, timeout=_TIMEOUT_SECONDS
        )
        try:
            response = post(connection, place.path, token_review(token))
            return _parse(response.status, response.read())
        finally:
            connection.close()


def _parse(status: int, body: bytes) -> ReviewResponse:
    if status != http.client.OK:
        return ReviewResponse(status=status, error=body.decode("utf-8", "replace").strip())
    outcome: dict[str, Any] = json.loads(body)["status"]
    if not outcome["authenticated"]:
        return ReviewResponse(status=status, error=outcome.get("error", ""))
    user = outcome["user"]
    return ReviewResponse(status=status, username=user["username"], groups=tuple(user["groups"]))
