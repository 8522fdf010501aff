"""Concurrent clients, each with a persistent connection."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.webhook_client import Response, WebhookClient


class Crowd:
    """A number of clients of one daemon."""

    def __init__(self, daemon: DaemonProcess, size: int) -> None:
        self._clients = [daemon.client() for _ in range(size)]
        self._pool = ThreadPoolExecutor(size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._pool.shutdown()
        for client in self._clients:
            client.close()

    def ask(self, tokens: Sequence[str]) -> list[Response]:
        """Review all tokens, at most one per client at a time. Returns the responses in the tokens' order."""
        shares = [tokens[at :: len(self._clients)] for at in range(len(self._clients))]
        answered = list(self._pool.map(self._ask_in_turn, self._clients, shares))
        return [answered[at % len(self._clients)][at // len(self._clients)] for at in range(len(tokens))]

    @staticmethod
    def _ask_in_turn(client: WebhookClient, tokens: Sequence[str]) -> list[Response]:
        return [client.review(token) for token in tokens]
