"""The webhook: it receives TokenReviews and responds with decisions.

docs/reasons.md describes kube-apiserver's reaction to each status.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from authd.core.decision import Decision
from authd.core.errors import UnavailableReason
from authd.core.token_review import (
    MAX_REVIEW_LENGTH,
    InvalidReview,
    ReviewEncoder,
    ReviewRequest,
    decode_review,
    error_text,
)
from authd.core.trace_context import parse_traceparent
from authd.daemon.event_loop import TurnBatch, Turns
from authd.daemon.http.server import JSON, TEXT, BoundedFactory, BoundedRequest

_log = Logger(namespace="authd.webhook")

_PATH = b"/authenticate"
_OK = HTTPStatus.OK

#: kube-apiserver retries 429, 502 and 504, and treats 503 as final.
STATUS: dict[str, int] = {
    UnavailableReason.STS_THROTTLED: 429,
    UnavailableReason.STS_ERROR: 502,
    UnavailableReason.STS_BAD_ANSWER: 502,
    UnavailableReason.STS_UNREACHABLE: 502,
    UnavailableReason.STS_TIMEOUT: 504,
    UnavailableReason.INSTANCE_LOOKUP_THROTTLED: 429,
    UnavailableReason.INSTANCE_LOOKUP_FAILED: 502,
    UnavailableReason.INSTANCE_LOOKUP_TIMEOUT: 504,
    UnavailableReason.OVERLOADED: 429,
    UnavailableReason.CIRCUIT_OPEN: 503,
}


class Decider(Protocol):
    """Decides about tokens. See `authenticator.Authenticator.decide`."""

    async def decide(self, review: ReviewRequest, /) -> Decision:
        """Decide about one token. Never raises."""
        ...


class DecisionRecorder(Protocol):
    """Records each decision, and each request that is not a TokenReview."""

    def decided(self, decision: Decision, elapsed: float, status: int) -> None:
        """Record a decision that took `elapsed` seconds, with its HTTP status."""
        ...

    def refused(self, status: int, why: str) -> None:
        """Record a request that is not a TokenReview."""
        ...

    def hold(self) -> None:
        """Buffer records until `release`."""
        ...

    def release(self) -> None:
        """Write the buffered records together."""
        ...


class WebhookRequest(BoundedRequest):
    """One request to the webhook."""

    max_body = MAX_REVIEW_LENGTH
    allowed_method = b"POST"

    factory: WebhookFactory
    _decision: Decision
    _review_request: ReviewRequest
    _started: float

    def process(self) -> None:
        """Route by exact path and method."""
        if self.path == _PATH and self.method == b"POST":
            self._review()
        elif self.path == _PATH:
            self.refuse(405, "reviews are posted")
        elif self.path == b"/healthz" and self.method in (b"GET", b"HEAD"):
            self.respond(200, TEXT, b"ok\n")
        elif self.path == b"/metrics" and self.method in (b"GET", b"HEAD") and self.factory.metrics is not None:
            self.respond(200, *self.factory.metrics())
        else:
            self.refuse(404, "no such path: reviews are posted to /authenticate")

    def _review(self) -> None:
        try:
            review = decode_review(self.body)
        except InvalidReview as error:
            self.refuse(400, str(error))
            return
        if self.traceparent is not None:
            review = review._replace(trace=parse_traceparent(self.traceparent))
        self._review_request, self._started = review, self.factory.seconds()
        self.factory.turns.reviews += 1
        self.factory.decoded.add(self)

    def decide(self) -> None:
        """Decide about the token."""
        deciding = Deferred.fromCoroutine(self.factory.authenticator.decide(self._review_request))
        deciding.addCallbacks(self._decided, self._broken)

    def _decided(self, decision: Decision) -> None:
        self._decision = decision
        self.factory.decided.add(self)

    def record(self, now: float) -> None:
        """Record the decision."""
        decision = self._decision
        try:
            self.factory.records.decided(decision, now - self._started, STATUS.get(decision.reason, 200))
        except Exception:  # a bug is logged and answered with 500
            self._broken(Failure())

    def reply(self, encoder: ReviewEncoder) -> None:
        """Respond with the decision, if it was recorded."""
        if self.responded:
            return
        decision = self._decision
        try:
            status = STATUS.get(decision.reason, 200)
            if status == _OK:
                self.respond(200, JSON, encoder.encode(decision, self._review_request.api_version))
            else:
                self.respond(status, TEXT, error_text(decision).encode() + b"\n")
        except Exception:  # a bug, too
            self._broken(Failure())
        else:
            self.factory.turns.reviews -= 1

    def _broken(self, failure: Failure) -> None:
        self.factory.turns.reviews -= 1
        _log.failure("answering a review failed", failure)
        if not self.responded:
            self.respond(500, TEXT, b"an internal error; see the daemon's log\n")


def _decide_all(requests: list[WebhookRequest]) -> None:
    for request in requests:
        request.decide()


class WebhookFactory(BoundedFactory):
    """The shared state of the webhook's requests.

    `encoder` returns the encoder of the settings in force. `turns` counts the reviews in progress. `decoded` collects
    the requests that were decoded in one reactor turn, and `decided` those that were decided: all are recorded, then
    all get their responses. `metrics` returns the content type and the body of `/metrics`, and is None if only the
    health port serves them.
    """

    request_class = WebhookRequest

    def __init__(
        self,
        reactor: IReactorTime,
        authenticator: Decider,
        records: DecisionRecorder,
        encoder: Callable[[], ReviewEncoder],
        metrics: Callable[[], tuple[bytes, bytes]] | None = None,
        *,
        turns: Turns | None = None,
    ) -> None:
        super().__init__(reactor)
        self.metrics = metrics
        self.authenticator = authenticator
        self.records = records
        self.encoder = encoder
        self.turns = turns or Turns(reactor)
        self.decoded: TurnBatch[WebhookRequest] = self.turns.batch(_decide_all)
        self.decided: TurnBatch[WebhookRequest] = self.turns.batch(self._respond_all)

    @property
    def under_review(self) -> int:
        """The number of reviews in progress."""
        return self.turns.reviews

    def _respond_all(self, requests: list[WebhookRequest]) -> None:
        now = self.seconds()
        self.records.hold()
        for request in requests:
            request.record(now)
        try:
            self.records.release()
        except Exception:  # a bug must not hold back the responses
            _log.failure("writing the records of decisions failed")
        encoder = self.encoder()
        for request in requests:
            request.reply(encoder)

    def refused(self, status: int, why: str) -> None:
        """Record a request that is not a TokenReview."""
        self.records.refused(status, why)
