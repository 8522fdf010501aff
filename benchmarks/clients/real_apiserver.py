"""Logins through a real kube-apiserver, which calls its webhook with its own retries.

The administrator posts TokenReviews to kube-apiserver, which authenticates the token as for a request of its holder.
"""

from __future__ import annotations

import json
import re
import ssl
import time
from typing import Any

from authd.core.errors import DenialReason
from benchmarks.clients.apiserver import NO_RESPONSE, Login
from benchmarks.clients.connection import ConnectionPool
from tests.e2e.rig.control_plane import ControlPlane

_PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
#: kube-apiserver embeds the webhook's message in its own.
_REASON = re.compile(r"\[([a-z_]+), reference [0-9a-f]{8}\]")
_FINAL, _TEMPORARY = 200, 503
#: More than the concurrent logins of a run.
_MOST_IDLE = 1_024


class RealAPIServer:
    """Reviews any number of tokens concurrently through a kube-apiserver.

    kube-apiserver caches accepted tokens for ten seconds, so each token should be reviewed once only.
    """

    def __init__(self, cluster: ControlPlane) -> None:
        self._cluster = cluster
        trust = ssl.create_default_context(cafile=str(cluster.ca_file))
        trust.load_cert_chain(cluster.folder / "admin.crt", cluster.folder / "admin.key")
        self._pool = ConnectionPool(cluster.port, trust, _PATH, most_idle=_MOST_IDLE)

    async def login(self, token: str) -> Login:
        """Review a token. `codes` has one entry: 200 for a decision, 503 if kube-apiserver got none in time."""
        began = time.monotonic()
        status = await self._post(token)
        error = str(status.get("error", ""))
        if status:
            found = _REASON.search(error)
            reason = found[1] if found else ""
            status["error"] = f"{error} [{reason}, found]"
            code = _FINAL if status.get("authenticated") or _is_final(error, reason) else _TEMPORARY
        else:
            code = NO_RESPONSE
        return Login(codes=(code,), status=status, began=began, seconds=time.monotonic() - began)

    async def _post(self, token: str) -> dict[str, Any]:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        answer = await self._pool.post(json.dumps(review).encode())
        return {} if answer is None else answer.status

    def close(self) -> None:
        """Stop the API server and close the connections."""
        self._pool.close()
        self._cluster.stop_apiserver()


def _is_final(error: str, reason: str) -> bool:
    """Return whether an error is a denial. The webhook denies some tokens without a reason."""
    return reason in set(DenialReason) or error == "invalid bearer token"
