"""Authentication of HTTP and Kubernetes clients, with tokens that are renewed before they expire."""

from __future__ import annotations

from threading import Lock
from time import time

from authd.client.api.tokens import Token, get_token

# Type checkers take it as true. Importing it from typing takes longer than signing a token.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: A token is renewed this long before its expiry, so that it doesn't expire on its way to the cluster.
RENEWAL_SECONDS = 60


class KubernetesAuth:
    """A bearer token for each request, renewed when needed. One object can serve many threads and clients.

    An object is the `auth` of httpx and requests, and `attach` or `attach_async` serves a Kubernetes client. The
    arguments are those of `get_token`.
    """

    def __init__(self, cluster_id: str, **options: Any) -> None:
        self._cluster_id = cluster_id
        self._options = options
        self._lock = Lock()
        self._token: Token | None = None

    def __repr__(self) -> str:
        """Show the cluster only."""
        return f"KubernetesAuth({self._cluster_id!r})"

    def token(self) -> Token:
        """Return a token that is valid for at least a minute unless its credentials expire. Raises ClientError."""
        with self._lock:
            if self._token is None or self._token.expires_at.timestamp() - time() < RENEWAL_SECONDS:
                self._token = get_token(self._cluster_id, **self._options)
            return self._token

    def renew(self) -> None:
        """Forget the token, so that the next request gets a new one. Call it after a response with the status 401."""
        with self._lock:
            self._token = None

    def __call__(self, request: Any) -> Any:
        """Set the Authorization header of a request of httpx or requests."""
        request.headers["Authorization"] = f"Bearer {self.token().value}"
        return request

    def attach(self, configuration: Any) -> None:
        """Give tokens to a `kubernetes.client.Configuration` of the official client."""
        configuration.refresh_api_key_hook = self._refresh
        self._refresh(configuration)

    async def attach_async(self, configuration: Any) -> None:
        """Give tokens to a `kubernetes_asyncio.client.Configuration`. Tokens are made in a thread."""
        configuration.refresh_api_key_hook = self._refresh_async
        await self._refresh_async(configuration)

    def _refresh(self, configuration: Any) -> None:
        _set_token(configuration, self.token())

    async def _refresh_async(self, configuration: Any) -> None:
        import asyncio

        _set_token(configuration, await asyncio.to_thread(self.token))


def _set_token(configuration: Any, token: Token) -> None:
    # Older and newer releases of the clients differ in the key.
    for key in ("authorization", "BearerToken"):
        configuration.api_key[key] = f"Bearer {token.value}"
