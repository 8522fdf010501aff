"""A client that sends single requests and reads the responses, for measurements beyond wrk."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from pathlib import Path
from typing import Any

from authd.emulator.kube_apiserver import post, token_review

_SECONDS = 30.0


def resumes_sessions(port: int) -> bool:
    """Return whether a server resumes TLS sessions."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the version that wrk uses
    session = None
    for _ in range(2):
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port)), session=session) as stream:
            stream.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            while stream.recv(4096):
                pass
            session, resumed = stream.session, stream.session_reused
    return bool(resumed)


class Client:
    """Two keep-alive connections: one to the webhook, one to the health port."""

    def __init__(self, port: int, health_port: int, ca_file: Path) -> None:
        trust = ssl.create_default_context(cafile=str(ca_file))
        self._webhook = http.client.HTTPSConnection("127.0.0.1", port, context=trust, timeout=_SECONDS)
        self._health = http.client.HTTPConnection("127.0.0.1", health_port, timeout=_SECONDS)

    def status_of(self, token: str) -> dict[str, Any]:
        """Review a token. Returns the response's status, empty if there is none."""
        response = post(self._webhook, "/authenticate", token_review(token))
        body = response.read()
        if response.will_close:
            self._webhook.close()
        status = json.loads(body)["status"] if response.status == http.client.OK else {}
        return dict(status)

    def health_seconds(self) -> float:
        """Return the health port's response time, which is the time for which other work blocked the reactor."""
        begin = time.perf_counter()
        self._health.request("GET", "/livez")
        self._health.getresponse().read()
        return time.perf_counter() - begin

    def close(self) -> None:
        """Close both connections."""
        self._webhook.close()
        self._health.close()
