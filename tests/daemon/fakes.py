"""Fakes for the network and for the daemon's own parts, stricter than the real ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from authd.core.arn import parse_arn
from authd.core.caller_identity import CallerIdentity
from authd.core.decision import ALLOWED, Decision
from authd.core.kubernetes_user import KubernetesUser
from authd.core.token import PresignedRequest
from authd.core.token_review import ReviewRequest
from authd.emulator.kube_apiserver import token_review


class StrictTransport(StringTransport):
    """A connected transport that fails on misuse, such as a write after the close."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None
        self.connected = True
        self.aborted = False
        self.no_delay = False
        self.has_unsent = False
        self.unread = False

    def has_unread(self) -> bool:
        return self.unread

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled

    def write(self, data: bytes) -> None:
        assert self.connected, "written to a connection that is gone"
        assert not self.disconnecting, "written to a connection that is about to close"
        super().write(data)

    def doWrite(self) -> None:
        """Do nothing, because this transport has no buffer."""
        assert self.connected
        assert not self.disconnecting

    def loseConnection(self) -> None:
        """Close after the buffered data is sent, when the test calls `end`."""
        self.disconnecting = True

    def abortConnection(self) -> None:
        """Close at once. The protocol is notified once."""
        self.aborted = True
        self.end(ConnectionAborted())

    def end(self, why: Exception | None = None) -> None:
        """Lose the connection, as after a close by the peer."""
        if self.connected:
            self.connected = False
            self.protocol.connectionLost(Failure(why or ConnectionDone()))


def connected(protocol: Any) -> StrictTransport:
    """Connect a protocol, and return its transport."""
    transport = StrictTransport()
    transport.protocol = protocol
    protocol.makeConnection(transport)
    return transport


@implementer(IStreamClientEndpoint)
class FakeEndpoint:
    """An endpoint that connects when the test calls `succeed`. It records every attempt and every transport."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.at_once = at_once
        self.attempts: list[tuple[IProtocolFactory, Deferred[IProtocol]]] = []
        self.transports: list[StrictTransport] = []
        self.cancelled = 0

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        attempt: Deferred[IProtocol] = Deferred(self._cancelled)
        self.attempts.append((protocolFactory, attempt))
        if self.at_once:
            self.succeed()
        return attempt

    def _cancelled(self, _: object) -> None:
        self.cancelled += 1

    def succeed(self) -> StrictTransport:
        """Let the last attempt connect."""
        factory, attempt = self.attempts[-1]
        protocol: Any = factory.buildProtocol(None)
        transport = connected(protocol)
        self.transports.append(transport)
        attempt.callback(protocol)
        return transport

    def fail(self, why: Exception) -> None:
        """Let the last attempt fail."""
        self.attempts[-1][1].errback(why)


class Records:
    """Collects all records."""

    def __init__(self) -> None:
        self.decisions: list[tuple[Decision, float, int]] = []
        self.refusals: list[tuple[int, str]] = []

    def decided(self, decision: Decision, elapsed: float, status: int) -> None:
        self.decisions.append((decision, elapsed, status))

    def refused(self, status: int, why: str) -> None:
        self.refusals.append((status, why))

    def hold(self) -> None:
        """Do nothing."""

    def release(self) -> None:
        """Do nothing."""


class ScriptedAuthenticator:
    """An authenticator whose decisions and their time are chosen by the test."""

    def __init__(self) -> None:
        self.reviews: list[ReviewRequest] = []
        self.answer: Callable[[ReviewRequest], Decision | Awaitable[Decision]] = lambda _: decision(ALLOWED)

    async def decide(self, review: ReviewRequest, /) -> Decision:
        self.reviews.append(review)
        answer = self.answer(review)
        return answer if isinstance(answer, Decision) else await answer


ALICE_ARN = "arn:aws:iam::111122223333:user/team/alice"


def identity(arn: str = ALICE_ARN, principal_id: str = "AIDAEXAMPLE") -> CallerIdentity:
    """Return an identity as STS confirms it."""
    parsed = parse_arn(arn)
    return CallerIdentity(
        arn=parsed,
        arn_text=arn,
        canonical_arn=parsed.canonical,
        key=parsed.key,
        principal_id=principal_id,
        access_key_id="AKIAEXAMPLE000000000",
        request_id="request-1",
    )


def decision(reason: str, message: str = "", who: CallerIdentity | None = None) -> Decision:
    """Return a decision that accepts alice or denies."""
    if reason == ALLOWED:
        user = KubernetesUser(username="alice", groups=("devs",), rule="config.yaml:7:3")
        return Decision(reason=ALLOWED, message="", reference="0a1b2c3d", user=user, identity=who or identity())
    return Decision(reason=reason, message=message, reference="0a1b2c3d", identity=who)


def review_bytes(token: str = "a-token", version: str = "v1") -> bytes:
    """Return a TokenReview as kube-apiserver posts it."""
    return token_review(token, version=version)


SIGNATURE = "5eed" * 16
TARGET = (
    "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIAEXAMPLE000000000%2F20240101%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Date=20240101T000000Z"
    f"&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signature={SIGNATURE}"
)


def presigned(digest: str = "d" * 64, host: str = "sts.us-east-1.amazonaws.com") -> PresignedRequest:
    """Return a checked request."""
    return PresignedRequest(
        host=host,
        region="us-east-1",
        access_key_id="AKIAEXAMPLE000000000",
        credentials="c" * 64,
        date=1_704_067_200,
        digest=digest,
        target=TARGET,
    )
