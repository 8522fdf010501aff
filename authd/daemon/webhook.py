"""The webhook: a TokenReview comes in, a decision goes out.

What kube-apiserver does with each status is in docs/reasons.md.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Protocol

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
from authd.daemon.event_loop import start_coroutine
from authd.daemon.http.server import JSON, TEXT, BoundedFactory, BoundedRequest
from authd.daemon.turn_batch import TurnBatch

_log = Logger(namespace="authd.webhook")

_PATH = b"/authenticate"

#: What makes kube-apiserver do the right thing: it retries 429, 502 and 504, and takes 503 for an outage.
STATUS: dict[str, int] = {
    UnavailableReason.STS_THROTTLED: 429,
    UnavailableReason.STS_ERROR: 502,
    UnavailableReason.STS_BAD_ANSWER: 502,
    UnavailableReason.STS_UNREACHABLE: 502,
    UnavailableReason.STS_TIMEOUT: 504,
    UnavailableReason.OVERLOADED: 429,
    UnavailableReason.CIRCUIT_OPEN: 503,
}


class Decider(Protocol):
    """Decides about tokens; see `authenticator.Authenticator.decide`."""

    async def decide(self, review: ReviewRequest, /) -> Decision:
        """Decide about one token; never raises."""
        ...


class DecisionRecorder(Protocol):
    """Takes note of what happened: once for each decision, once for each request that is no TokenReview."""

    def decided(self, decision: Decision, elapsed: float, status: int) -> None:
        """Note a decision that took `elapsed` seconds and was answered with an HTTP status."""
        ...

    def refused(self, status: int, why: str) -> None:
        """Note a request that was not a TokenReview."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """Write in one piece what is noted meanwhile."""
        ...


class WebhookRequest(BoundedRequest):
    """One request to the webhook."""

    max_body = MAX_REVIEW_LENGTH
    allowed_method = b"POST"

    factory: WebhookFactory
    _decision: Decision
    _api_version: str
    _started: float

    def process(self) -> None:
        """Route by exact path and method, and answer."""
        if self.path == _PATH and self.method == b"POST":
            self._review()
        elif self.path == _PATH:
            self.refuse(405, "reviews are posted")
        elif self.path == b"/healthz" and self.method in (b"GET", b"HEAD"):
            self.respond(200, TEXT, b"ok\n")
        else:
            self.refuse(404, "no such path: reviews are posted to /authenticate")

    def _review(self) -> None:
        try:
            review = decode_review(self.body)
        except InvalidReview as error:
            self.refuse(400, str(error))
            return
        self._api_version, self._started = review.api_version, self.factory.seconds()
        self.factory.under_review += 1
        start_coroutine(self.factory.authenticator.decide(review), self._decided, self._broken)

    def _decided(self, decision: Decision) -> None:
        self._decision = decision
        self.factory.decided.add(self)

    def record(self, now: float) -> None:
        """Take note of the decision."""
        decision = self._decision
        try:
            self.factory.records.decided(decision, now - self._started, STATUS.get(decision.reason, 200))
        except Exception:  # noqa: BLE001  # a bug must be seen, answered, and not end the daemon
            self._broken(Failure())

    def tell(self, encoder: ReviewEncoder) -> None:
        """Answer with the decision, if it could be taken note of."""
        if self.answered:
            return
        decision = self._decision
        try:
            status = STATUS.get(decision.reason, 200)
            if status == HTTPStatus.OK:
                self.respond(200, JSON, encoder.encode(decision, self._api_version))
            else:
                self.respond(status, TEXT, error_text(decision).encode() + b"\n")
        except Exception:  # noqa: BLE001  # as above
            self._broken(Failure())
        else:
            self.factory.under_review -= 1

    def _broken(self, failure: Failure) -> None:
        self.factory.under_review -= 1
        _log.failure("answering a review failed", failure)
        if not self.answered:
            self.respond(500, TEXT, b"an internal error; see the daemon's log\n")


class WebhookFactory(BoundedFactory):
    """Holds what the webhook's requests share.

    `encoder` returns the encoder of the settings in force; `under_review` counts reviews that aren't answered yet;
    `decided` takes requests whose decision is made: all of a turn's are recorded, and then answered.
    """

    request_class = WebhookRequest

    def __init__(
        self,
        reactor: IReactorTime,
        authenticator: Decider,
        records: DecisionRecorder,
        encoder: Callable[[], ReviewEncoder],
    ) -> None:
        super().__init__(reactor)
        self.authenticator = authenticator
        self.records = records
        self.encoder = encoder
        self.under_review = 0
        self.decided: TurnBatch[WebhookRequest] = TurnBatch(reactor, self._answer_all)

    def _answer_all(self, requests: list[WebhookRequest]) -> None:
        now = self.seconds()
        with self.records.together():
            for request in requests:
                request.record(now)
        encoder = self.encoder()
        for request in requests:
            request.tell(encoder)

    def refused(self, status: int, why: str) -> None:
        """Take note of a request that was not a TokenReview."""
        self.records.refused(status, why)
