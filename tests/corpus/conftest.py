"""Runs the corpus against the daemon's two kinds of connections, in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from authd.core.decision import Decision
from authd.core.token import PresignedRequest
from authd.core.token_review import ReviewEncoder
from authd.daemon.sts.agent import STSAgent
from authd.daemon.sts.client import STSClient
from authd.daemon.webhook import WebhookFactory

BASE = json.loads(Path(__file__).with_name("base.json").read_text())

_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")
#: Bytes up to this size are delivered one by one, longer ones in pieces.
_SMALL = 4_096
_PIECE = 997


def expanded(value: Any) -> str:
    """Return a text, which may be a list of parts and repetitions."""
    if isinstance(value, list):
        return "".join(map(expanded, value))
    return value["repeat"] * value["times"] if isinstance(value, dict) else value


def pieces(data: bytes, *, split: bool) -> list[bytes]:
    """Split bytes as a network may, or return them in one piece."""
    size = (1 if len(data) <= _SMALL else _PIECE) if split else max(1, len(data))
    return [data[start : start + size] for start in range(0, len(data), size)]


class TLSLikeTransport(StringTransport):
    """Discards data written after the close, as a TLS connection does."""

    def __init__(self) -> None:
        super().__init__(lenient=True)
        self.has_unsent = False

    def has_unread(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        if not self.disconnecting:
            super().write(data)

    def doWrite(self) -> None:
        """Flush, which does nothing: this transport buffers nothing."""

    def writeSequence(self, data: Sequence[bytes]) -> None:
        self.write(b"".join(data))

    def unregisterProducer(self) -> None:
        if self.producer is not None:
            super().unregisterProducer()

    def setTcpNoDelay(self, enabled: object) -> None:
        """Ignore the event."""


class _Authenticator:
    """Stores each reviewed token, and decides that it is foreign."""

    def __init__(self) -> None:
        self.reviews: list[Any] = []

    async def decide(self, review: Any) -> Decision:
        self.reviews.append(review)
        return Decision(reason="foreign_token", message="m", reference="r")


class _DecisionLog:
    def __init__(self) -> None:
        self.refusals: list[tuple[int, str]] = []

    def decided(self, decision: Decision, elapsed: float, status: int) -> None:
        """Ignore the decision."""

    def hold(self) -> None:
        """Do nothing."""

    def release(self) -> None:
        """Do nothing."""

    def refused(self, status: int, why: str) -> None:
        self.refusals.append((status, why))


class WebhookConnection:
    """One connection to the webhook."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.authenticator = _Authenticator()
        self.decision_log = _DecisionLog()
        self.factory = WebhookFactory(self.clock, self.authenticator, self.decision_log, ReviewEncoder)
        self.transport = TLSLikeTransport()
        self._channel = self.factory.buildProtocol(None)
        self._channel.makeConnection(self.transport)

    def send(self, data: bytes, *, split: bool = False) -> None:
        """Deliver bytes, unless the connection was aborted."""
        for piece in pieces(data, split=split):
            if not self.transport.disconnected:
                self._channel.dataReceived(piece)
                self.clock.advance(0)  # the end of the reactor's turn

    def wait(self, seconds: float) -> None:
        """Let time pass, and check the deadlines each second."""
        for _ in range(int(seconds)):
            self.clock.advance(1)
            self.factory.deadlines.sweep()

    def end(self) -> None:
        """Close the connection from the client's side."""
        self._channel.connectionLost(Failure(ConnectionDone()))

    @property
    def state(self) -> str:
        """Return the state of the connection: open, closing, or aborted."""
        closed = "closed" if self.transport.disconnecting else "open"
        return "cut off" if self.transport.disconnected else closed

    @property
    def responses(self) -> bytes:
        return self.transport.value()

    @property
    def statuses(self) -> list[int]:
        """Return the status of every response, interim ones too."""
        return [int(status) for status in _STATUS.findall(self.responses)]


@pytest.fixture
def webhook() -> type[WebhookConnection]:
    return WebhookConnection


class _Endpoint:
    """A reachable STS host: each connection gets a transport in memory."""

    def __init__(self) -> None:
        self.transport = TLSLikeTransport()
        self.protocol: Any = None

    def endpoint(self, host: str) -> _Endpoint:
        return self

    def connect(self, factory: Any) -> Deferred[Any]:
        self.protocol = factory.buildProtocol(None)
        self.protocol.makeConnection(self.transport)
        return succeed(self.protocol)


class STSExchange:
    """One call to STS whose response comes from the corpus, byte for byte."""

    TIMEOUT = 5.0

    def __init__(self, *, partition: str) -> None:
        self._clock = Clock()
        self._endpoint = _Endpoint()
        client = STSClient(
            self._clock,
            STSAgent(self._clock, self._endpoint),
            cluster_id=BASE["clusterID"],
            partition=partition,
            timeout=self.TIMEOUT,
        )
        self.outcomes: list[Any] = []
        request = PresignedRequest(
            host="sts.us-east-1.amazonaws.com",
            region="us-east-1",
            access_key_id=BASE["accessKeyId"],
            credentials="c" * 64,
            date=0,
            digest="d" * 64,
            target="/?Action=GetCallerIdentity",
        )
        Deferred.fromCoroutine(client.ask(request)).addBoth(self._ended)
        self._clock.advance(0)  # the end of the reactor's turn

    @property
    def sent(self) -> bytes:
        """Return the sent request."""
        return self._endpoint.transport.value()

    @property
    def closed(self) -> bool:
        return self._endpoint.transport.disconnecting

    def deliver(self, data: bytes, *, split: bool) -> None:
        """Deliver bytes, unless the connection was aborted."""
        for piece in pieces(data, split=split):
            if not self._endpoint.transport.disconnected:
                self._endpoint.protocol.dataReceived(piece)

    def close(self) -> None:
        """Close the connection from STS's side."""
        self._endpoint.protocol.connectionLost(Failure(ConnectionDone()))

    def stay_silent(self) -> None:
        """Let the deadline pass without a response."""
        self._clock.advance(self.TIMEOUT)

    def _ended(self, outcome: Any) -> None:
        self.outcomes.append(outcome.value if isinstance(outcome, Failure) else outcome)


@pytest.fixture
def exchange() -> type[STSExchange]:
    return STSExchange


@pytest.fixture(scope="session")
def base() -> Mapping[str, Any]:
    return BASE


@pytest.fixture(scope="session")
def expand() -> Any:
    return expanded
