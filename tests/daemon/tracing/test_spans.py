"""Spans of reviews and their calls, in memory: parents, attributes, limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from twisted.internet.defer import Deferred

from authd.core.caller_identity import CallerIdentity
from authd.core.decision import ALLOWED, Decision
from authd.core.errors import DenialReason, Denied, Unavailable, UnavailableReason
from authd.core.kubernetes_user import KubernetesUser
from authd.core.token import PresignedRequest
from authd.core.token_review import ReviewRequest
from authd.core.trace_context import TraceContext
from authd.daemon.tracing.spans import TracedNames, TracedReviews, TracedSTS, add_status
from tests.daemon.fakes import decision, identity, presigned

TRACE = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)
INSTANCE = "i-0123456789abcdef0"


class Rig:
    """A decider, an STS and a look-up that a test scripts, and the exported spans."""

    def __init__(self, share: float = 1.0) -> None:
        self.memory = InMemorySpanExporter()
        provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(share)), shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.memory))
        tracer = provider.get_tracer("authd")
        self.scrubbed: frozenset[str] = frozenset()
        self.floods = 0
        self.reviews: list[ReviewRequest] = []
        self.work: Callable[[], Awaitable[Decision]] = lambda: _soon(decision(ALLOWED))
        self.calls: list[Deferred[CallerIdentity]] = []
        self.look_ups: list[Deferred[str]] = []
        self.traced = TracedReviews(tracer, self, lambda: self.scrubbed, self._flooded)
        self.sts = TracedSTS(tracer, self._ask)
        self.names = TracedNames(tracer, self._name)

    def _flooded(self) -> None:
        self.floods += 1

    async def decide(self, review: ReviewRequest, /) -> Decision:
        self.reviews.append(review)
        return await self.work()

    async def _ask(self, _request: PresignedRequest, /) -> CallerIdentity:
        answer: Deferred[CallerIdentity] = Deferred()
        self.calls.append(answer)
        who = await answer
        add_status(200)
        return who

    def _name(self, _instance: str, /) -> Deferred[str]:
        self.look_ups.append(Deferred())
        return self.look_ups[-1]

    def start(self, trace: TraceContext | None = None) -> list[Decision]:
        """Start a review, and return the list for its decision."""
        review = ReviewRequest("authentication.k8s.io/v1", "k8s-aws-v1.secret", (), trace)
        decisions: list[Decision] = []
        deciding = Deferred.fromCoroutine(self.traced.decide(review)).addCallback(decisions.append)
        deciding.addErrback(lambda failure: failure.trap(ZeroDivisionError))
        return decisions

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.memory.get_finished_spans())


async def _soon(value: Any) -> Any:
    return value


@pytest.fixture
def rig() -> Rig:
    return Rig()


def parent_of(span: ReadableSpan) -> int:
    return 0 if span.parent is None else span.parent.span_id


def test_calls_are_children_of_their_concurrent_reviews(rig: Rig) -> None:
    """Each call is a child of the review that made it, in any order of STS's responses."""

    async def asking() -> Decision:
        return decision(ALLOWED, "", await rig.sts(presigned()))

    rig.work = asking
    traces = [TraceContext(f"{number:032x}", f"{number:016x}", sampled=True) for number in (1, 2, 3)]
    for trace in traces:
        rig.start(trace)
    for call in reversed(rig.calls):
        call.callback(identity())
    reviews = {span.context.trace_id: span for span in rig.spans if span.name == "POST /authenticate"}
    calls = {span.context.trace_id: span for span in rig.spans if span.name == "STS/GetCallerIdentity"}
    assert list(reviews) == list(calls) == [3, 2, 1]
    for number, span in calls.items():
        assert parent_of(span) == reviews[number].context.span_id
        assert parent_of(reviews[number]) == number
        assert span.attributes["http.response.status_code"] == 200


def test_a_call_outside_a_review_has_no_span(rig: Rig) -> None:
    """A call outside of a review with a span has none, even if it starts in the context of another review."""

    async def nested() -> Decision:
        rig.work = lambda: rig.sts(presigned())
        rig.start(TRACE._replace(sampled=False))
        return decision(ALLOWED)

    rig.work = nested
    rig.start()
    rig.calls[0].callback(identity())
    assert [span.name for span in rig.spans] == ["POST /authenticate"]


def test_a_review_without_traceparent_gets_its_spans_trace(rig: Rig) -> None:
    """A review without a trace is decided with that of its span. One with a trace keeps it."""
    rig.start()
    rig.start(TRACE)
    (span, _) = rig.spans
    own, given = (review.trace for review in rig.reviews)
    assert own == TraceContext(f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", sampled=True)
    assert given == TRACE


def test_an_unsampled_review(rig: Rig) -> None:
    """If the caller does not sample a trace, neither the review nor its call has a span."""
    rig.work = lambda: rig.sts(presigned())
    decisions = rig.start(TRACE._replace(sampled=False))
    rig.calls[0].callback(identity())
    assert decisions == [identity()]
    assert rig.spans == []
    assert Rig(share=0.0).start() == [decision(ALLOWED)]


@pytest.mark.parametrize(
    ("reason", "status", "verdict", "failed"),
    [
        (DenialReason.IDENTITY_NOT_MAPPED, 200, "denied", False),
        (DenialReason.INTERNAL_ERROR, 200, "denied", True),
        (UnavailableReason.STS_THROTTLED, 429, "unavailable", False),
        (UnavailableReason.STS_TIMEOUT, 504, "unavailable", True),
    ],
)
def test_decisions(rig: Rig, reason: str, status: int, verdict: str, failed: bool) -> None:
    """A span has the decision, its reason and the status. It is an error if the daemon or STS has failed."""
    rig.work = lambda: _soon(decision(reason, "no"))
    rig.start()
    (span,) = rig.spans
    assert span.attributes["authd.decision"] == verdict
    assert span.attributes["authd.reason"] == reason
    assert span.attributes["http.response.status_code"] == status
    assert span.status.is_ok is not failed
    assert span.attributes.get("error.type") == (reason if failed else None)


def test_a_scrubbed_account_is_in_no_span(rig: Rig) -> None:
    """No attribute holds a scrubbed account."""
    user = KubernetesUser(username="alice-111122223333", groups=(), rule="c.yaml:1:1")
    accepted = decision(ALLOWED, "", identity())._replace(user=user, request=presigned())
    rig.work = lambda: _soon(accepted)
    rig.start()
    assert rig.spans[0].attributes["user.name"] == "alice-111122223333"
    rig.scrubbed = frozenset({"111122223333"})
    rig.start()
    assert rig.spans[1].attributes["user.name"] == "alice-(scrubbed)"
    assert "111122223333" not in rig.spans[1].to_json()


@pytest.mark.parametrize(
    "error", [Denied(DenialReason.STS_REFUSED, "m"), Unavailable(UnavailableReason.STS_ERROR, "m")]
)
def test_failed_calls(rig: Rig, error: Exception) -> None:
    """The span of a failed call has the reason, without the exception's message. The exception is passed on."""

    async def both() -> Decision:
        for call in (rig.sts(presigned()), rig.names(INSTANCE)):
            with pytest.raises(type(error)):
                await call
        return decision(error.reason, "m")

    rig.work = both
    rig.start()
    rig.calls[0].errback(error)
    rig.look_ups[0].errback(error)
    call, look_up, review = rig.spans
    assert [span.attributes["error.type"] for span in (call, look_up)] == [error.reason] * 2
    assert [len(span.events) for span in rig.spans] == [0, 0, 0]
    assert parent_of(call) == parent_of(look_up) == review.context.span_id


def test_a_cancelled_call_ends(rig: Rig) -> None:
    """The span of a call that ends by an exception of another kind is exported too."""
    rig.work = lambda: rig.sts(presigned())
    rig.start()
    rig.calls[0].errback(ZeroDivisionError())
    assert [span.name for span in rig.spans] == ["STS/GetCallerIdentity"]


def test_names_of_instances(rig: Rig) -> None:
    """A look-up has a span only within a review."""

    async def named() -> Decision:
        return decision(ALLOWED, await rig.names(INSTANCE))

    rig.work = named
    rig.start()
    rig.look_ups[0].callback("ip-10-0-0-1")
    look_up, review = rig.spans
    assert (look_up.name, parent_of(look_up)) == ("look up EC2 instance name", review.context.span_id)
    outside: list[str] = []
    Deferred.fromCoroutine(rig.names(INSTANCE)).addCallback(outside.append)
    rig.look_ups[1].callback("ip-10-0-0-2")
    assert (outside, len(rig.spans)) == (["ip-10-0-0-2"], 2)


def test_spans_without_identity_or_call_are_limited(rig: Rig) -> None:
    """In a flood, most reviews without identity or call have no span. Any other review has one."""
    rig.work = lambda: _soon(decision(DenialReason.FOREIGN_TOKEN))
    for _ in range(150):
        rig.start()
    assert (len(rig.spans), rig.floods) == (100, 50)
    rig.work = lambda: _soon(decision(DenialReason.IDENTITY_NOT_MAPPED, "", identity()))
    rig.start()

    async def refused() -> Decision:
        with pytest.raises(Denied):
            await rig.sts(presigned())
        return decision(DenialReason.SIGNATURE_MISMATCH)

    rig.work = refused
    rig.start()
    rig.calls[0].errback(Denied(DenialReason.SIGNATURE_MISMATCH, "m"))
    assert (len(rig.spans), rig.floods) == (103, 50)


def test_no_secret(rig: Rig) -> None:
    """Neither the token nor the signature of a request is in a span."""
    request = presigned()

    async def asking() -> Decision:
        return decision(ALLOWED, "", await rig.sts(request))._replace(request=request)

    rig.work = asking
    rig.start()
    rig.calls[0].callback(identity())
    text = "".join(span.to_json() for span in rig.spans)
    assert request.target.partition("?")[2] not in text
    assert "k8s-aws-v1" not in text
    assert "X-Amz" not in text
