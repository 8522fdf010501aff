"""Fakes AWS's two HTTP services for a role's credentials: instance metadata (IMDSv2) and the containers' endpoint."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

_TOKEN = "a-session-of-imds"
_CREDENTIALS = "/latest/meta-data/iam/security-credentials/"


class MetadataServer(http.server.ThreadingHTTPServer):
    """Serves `key`, an access key with its secret and session token, for `seconds`."""

    daemon_threads = True

    def __init__(self, key: tuple[str, str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.key = key
        self.seconds = 3600.0
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def credentials(self) -> dict[str, Any]:
        ends = datetime.now(UTC) + timedelta(seconds=self.seconds)
        key_id, secret, token = self.key
        return {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": key_id,
            "SecretAccessKey": secret,
            "Token": token,
            "LastUpdated": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    @contextmanager
    def running(self) -> Iterator[MetadataServer]:
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: MetadataServer

    def do_PUT(self) -> None:
        self._answer(_TOKEN if self.path == "/latest/api/token" else "", 200)

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        if self.path == "/container":
            self._answer(json.dumps(self.server.credentials()), 200)
        elif self.headers.get("x-aws-ec2-metadata-token") != _TOKEN:
            self._answer("", 401)  # IMDSv1 is off
        elif self.path == _CREDENTIALS:
            self._answer("NodeRole", 200)
        elif self.path == f"{_CREDENTIALS}NodeRole":
            self._answer(json.dumps(self.server.credentials()), 200)
        elif self.path == "/latest/meta-data/placement/availability-zone/":
            self._answer("eu-west-1a", 200)
        else:
            self._answer("", 404)

    def _answer(self, text: str, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass
