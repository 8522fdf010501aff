"""Posts TokenReviews byte for byte as kube-apiserver does, for the demonstration, tests and benchmarks.

Sources: `k8s.io/api/authentication/v1` for the order of the members, Go's `encoding/json` for escapes and the newline
at the end, `net/http` for the order of the headers. Up to Kubernetes 1.33 the metadata has a null time. Newer versions
leave it out.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence

#: Characters that Go escapes in JSON although they need no escape there.
_GO_ESCAPES = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def token_review(
    token: str, *, version: str = "v1", audiences: Sequence[str] | None = None, null_time: bool = True
) -> bytes:
    """Return a TokenReview for a token. `null_time` is the form up to Kubernetes 1.33."""
    spec: dict[str, object] = {"token": token}
    if audiences:  # omitted if empty, by the field's `omitempty`
        spec["audiences"] = list(audiences)
    review = {
        "kind": "TokenReview",
        "apiVersion": f"authentication.k8s.io/{version}",
        "metadata": {"creationTimestamp": None} if null_time else {},
        "spec": spec,
        "status": {"user": {}},
    }
    text = json.dumps(review, ensure_ascii=False, separators=(",", ":")).translate(_GO_ESCAPES)
    return text.encode("utf-8", "surrogatepass") + b"\n"


def post(connection: http.client.HTTPConnection, path: str, body: bytes) -> http.client.HTTPResponse:
    """Post a body in one piece, as Go does. Opens the connection if it is closed, and returns the response's head."""
    if connection.sock is None:
        connection.connect()
    head = (
        f"POST {path}?timeout=30s HTTP/1.1\r\nHost: {connection.host}:{connection.port}\r\n"
        f"User-Agent: Go-http-client/1.1\r\nContent-Length: {len(body)}\r\n"
        "Accept: application/json, */*\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n"
    )
    try:
        connection.sock.sendall(head.encode("ascii") + body)
        response = http.client.HTTPResponse(connection.sock, method="POST")
        response.begin()
    except (OSError, http.client.HTTPException):
        connection.close()  # the next call must open a new one
        raise
    return response
