"""A client with kube-apiserver's behaviour: keep-alive connections, five tries, and its rules for retries.

Sources: `k8s.io/apiserver/pkg/util/webhook` for the retries, `net/http` for the connections.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from dataclasses import dataclass
from typing import Any

from authd.emulator.kube_apiserver import token_review
from benchmarks.clients.connection import ConnectionPool

#: Five tries. The first pause is 0.5 s, each one is 1.5 times the one before, plus up to 20 % jitter.
_TRIES, _FIRST_PAUSE, _FACTOR, _JITTER = 5, 0.5, 1.5, 0.2
#: Statuses that are retried. 503 is not.
_RETRIED = frozenset({429, 500, 502, 504})
#: Idle connections that are kept.
_MOST_IDLE = 25
#: In place of a status if there is no response. A reset is retried.
NO_RESPONSE = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A finished review: the statuses of its tries, the last response, and its duration in seconds."""

    codes: tuple[int, ...]
    status: dict[str, Any]
    began: float
    seconds: float

    @property
    def username(self) -> str | None:
        """The user's name, None if the token is not accepted."""
        name = self.status.get("user", {}).get("username")
        return None if name is None else str(name)

    @property
    def reason(self) -> str:
        """The reason at the end of a refusal's message: `[reason, reference …]`."""
        return str(self.status.get("error", "")).rpartition("[")[2].partition(",")[0]


class APIServer:
    """Posts any number of concurrent reviews, as kube-apiserver does."""

    def __init__(self, port: int, trust: ssl.SSLContext, *, tries: int = _TRIES) -> None:
        self._pool = ConnectionPool(port, trust, most_idle=_MOST_IDLE)
        self._tries = tries

    async def login(self, token: str) -> Login:
        """Review a token, with retries, until a final response or the last try."""
        began, body, codes = time.monotonic(), token_review(token), []
        status: dict[str, Any] = {}
        for number in range(self._tries):
            if number:
                pause = _FIRST_PAUSE * _FACTOR ** (number - 1)
                await asyncio.sleep(pause * random.uniform(1, 1 + _JITTER))
            code, status = await self._post(body)
            codes.append(code)
            if code not in _RETRIED | {NO_RESPONSE}:
                break
        return Login(codes=tuple(codes), status=status, began=began, seconds=time.monotonic() - began)

    async def _post(self, body: bytes) -> tuple[int, dict[str, Any]]:
        answer = await self._pool.post(body)
        return (NO_RESPONSE, {}) if answer is None else (answer.code, answer.status)

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()
