"""A minimal HTTP client for asyncio with a keep-alive connection to the webhook or an API server."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass
from functools import partial
from typing import Any

#: The path and query with which kube-apiserver calls the webhook.
WEBHOOK_PATH = "/authenticate?timeout=30s"
_SECONDS = 35.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An HTTP status, and the TokenReview's status if the response is one."""

    code: int
    status: dict[str, Any]


class Connection:
    """Sends requests on one connection, and reconnects after its end."""

    def __init__(self, port: int, trust: ssl.SSLContext, path: str = WEBHOOK_PATH) -> None:
        self._target = path.encode()
        self._port = port
        self._trust = trust
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes) -> Response:
        """Post a TokenReview. Raises `OSError`, `EOFError` or `TimeoutError` if no response arrives."""
        async with asyncio.timeout(_SECONDS):
            reader, writer = self._streams or await self._open()
            try:
                sent = b"POST %b HTTP/1.1\r\nHost: localhost\r\n" % self._target
                sent += b"Content-Length: %d\r\nContent-Type: application/json\r\n\r\n" % len(body)
                writer.write(sent + body)  # in one piece, as Go does
                head = await reader.readuntil(b"\r\n\r\n")
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
                content = await reader.readexactly(int(fields[b"content-length"]))
            except (OSError, EOFError):
                self.close()
                raise
        if fields.get(b"connection") == b"close":
            self.close()
        code = int(head.split(b" ", 2)[1])
        is_review = fields.get(b"content-type") == b"application/json"
        return Response(code=code, status=json.loads(content).get("status") if is_review else {})

    async def serial(self) -> str:
        """Return the serial number of the certificate on a new connection."""
        self.close()
        _, writer = await self._open()
        certificate = writer.get_extra_info("ssl_object").getpeercert()
        self.close()
        return str(certificate["serialNumber"])

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._trust)
        return self._streams


class ConnectionPool:
    """A pool without a limit of connections. It keeps up to `most_idle` idle ones."""

    def __init__(self, port: int, trust: ssl.SSLContext, path: str = WEBHOOK_PATH, *, most_idle: int) -> None:
        self._connect = partial(Connection, port, trust, path)
        self._most_idle = most_idle
        self._idle: list[Connection] = []

    async def post(self, body: bytes) -> Response | None:
        """Post a TokenReview. Returns None if no response arrives."""
        connection = self._idle.pop() if self._idle else self._connect()
        try:
            answer = await connection.post(body)
        except (OSError, EOFError, TimeoutError):
            connection.close()
            return None
        except asyncio.CancelledError:
            connection.close()
            raise
        if len(self._idle) < self._most_idle:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        """Close the idle connections."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()
