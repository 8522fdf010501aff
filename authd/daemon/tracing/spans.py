"""Spans of reviews and their calls, named by OpenTelemetry's semantic conventions.

A span never contains a token, a signature, a URL's query or an account in `scrubbedAccounts`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from http import HTTPStatus

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from authd.authentication.authenticator import InstanceNamer, STSCaller
from authd.core.caller_identity import CallerIdentity
from authd.core.decision import OUTCOMES, Decision
from authd.core.errors import AuthdError, DenialReason
from authd.core.token import PresignedRequest
from authd.core.token_review import ReviewRequest
from authd.core.trace_context import TraceContext
from authd.daemon.telemetry.bounded_lines import BoundedLines
from authd.daemon.webhook import STATUS, Decider

#: Spans of reviews without a confirmed identity or a call to STS: burst and rate per second. Without the limit, a flood
#: of foreign tokens would displace all other spans.
_STRANGERS, _STRANGERS_PER_SECOND = 100.0, 5.0

_SCRUBBED = "(scrubbed)"
_REVIEW_ATTRIBUTES = {"http.request.method": "POST", "http.route": "/authenticate", "url.scheme": "https"}
_CALL_ATTRIBUTES: Mapping[str, str | int] = {
    "rpc.system.name": "aws-api",
    "rpc.method": "STS/GetCallerIdentity",
    "http.request.method": "GET",
    "server.port": 443,
}


class _Review:
    """A review with a span. `called` is True if it has called STS."""

    __slots__ = ("called", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        self.called = False


#: The review of the running coroutine, and its call to STS.
_review: ContextVar[_Review | None] = ContextVar("_review", default=None)
_call: ContextVar[Span | None] = ContextVar("_call", default=None)


class TracedReviews:
    """Wraps a decider. Each review has a span, whose parent is that of its `traceparent`.

    `flooded` is called for each review whose span is omitted because of the rate limit.
    """

    def __init__(
        self,
        tracer: Tracer,
        decider: Decider,
        scrubbed_accounts: Callable[[], frozenset[str]],
        flooded: Callable[[], None],
    ) -> None:
        self._tracer = tracer
        self._decider = decider
        self._scrubbed_accounts = scrubbed_accounts
        self._flooded = flooded
        self._strangers = BoundedLines(burst=_STRANGERS, rate=_STRANGERS_PER_SECOND, now=time.monotonic())

    async def decide(self, review: ReviewRequest) -> Decision:
        """Decide about one token. A review without `traceparent` gets the trace of its own span."""
        _review.set(None)  # the context may be a copy of another review's
        _call.set(None)
        span = self._tracer.start_span(
            "POST /authenticate", _context(review.trace), SpanKind.SERVER, attributes=_REVIEW_ATTRIBUTES
        )
        if not span.is_recording():
            return await self._decider.decide(review)
        began, started = time.time_ns(), time.monotonic_ns()
        if review.trace is None:
            review = review._replace(trace=_own_trace(span))
        traced = _Review(span)
        _review.set(traced)
        decision = await self._decider.decide(review)
        if decision.identity is None and not traced.called and not self._strangers.permits(time.monotonic()):
            self._flooded()  # without `end`, the span is not exported
        else:
            _finish(span, decision, self._scrubbed_accounts())
            span.end(began + time.monotonic_ns() - started)  # right even if the clock has been set
        return decision


def _context(trace: TraceContext | None) -> Context:
    if trace is None:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED if trace.sampled else TraceFlags.DEFAULT)
    parent = SpanContext(int(trace.trace_id, 16), int(trace.span_id, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(parent), Context())


def _own_trace(span: Span) -> TraceContext:
    own = span.get_span_context()
    return TraceContext(f"{own.trace_id:032x}", f"{own.span_id:016x}", sampled=own.trace_flags.sampled)


def _finish(span: Span, decision: Decision, scrubbed: frozenset[str]) -> None:
    status, reason = STATUS.get(decision.reason, int(HTTPStatus.OK)), str(decision.reason)
    span.set_attributes(
        {
            "http.response.status_code": status,
            "authd.decision": OUTCOMES[decision.reason],
            "authd.reason": reason,
            "authd.reference": decision.reference,
        }
    )
    if decision.identity is not None:
        span.set_attributes(_identity(decision, decision.identity, scrubbed))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or reason == DenialReason.INTERNAL_ERROR:
        span.set_attribute("error.type", reason)
        span.set_status(Status(StatusCode.ERROR))


def _identity(decision: Decision, identity: CallerIdentity, scrubbed: frozenset[str]) -> Mapping[str, str]:
    hidden = identity.arn.account in scrubbed
    attributes = {
        "authd.source": str(decision.source),
        "authd.rule": decision.rule,
        "authd.arn": _SCRUBBED if hidden else identity.arn_text,
        "authd.canonical_arn": _SCRUBBED if hidden else identity.canonical_arn,
    }
    if decision.user is not None:
        name = decision.user.username
        attributes["user.name"] = name.replace(identity.arn.account, _SCRUBBED) if hidden else name
    return attributes


class TracedSTS:
    """Wraps a caller of STS. Calls of reviews with a span have a span, too."""

    def __init__(self, tracer: Tracer, ask: STSCaller[PresignedRequest]) -> None:
        self._tracer = tracer
        self._ask = ask

    async def __call__(self, request: PresignedRequest, /) -> CallerIdentity:
        """Return the caller's identity. Raises `Denied` or `Unavailable`."""
        review = _review.get()
        if review is None:
            return await self._ask(request)
        review.called = True
        attributes = {**_CALL_ATTRIBUTES, "server.address": request.host, "url.full": f"https://{request.host}/"}
        span = _child(self._tracer, review, "STS/GetCallerIdentity", SpanKind.CLIENT, attributes)
        _call.set(span)
        try:
            identity = await self._ask(request)
        except AuthdError as error:
            _fail(span, error)
            raise
        else:
            span.set_attribute("aws.request_id", identity.request_id)
            return identity
        finally:
            _call.set(None)
            span.end()


def add_status(status: int) -> None:
    """Add the HTTP status of a response to the span of the current call."""
    span = _call.get()
    if span is not None:
        span.set_attribute("http.response.status_code", status)


class TracedNames:
    """Wraps a look-up of EC2 instances' names. A span covers the cache, the batch and the call."""

    def __init__(self, tracer: Tracer, instance_name: InstanceNamer) -> None:
        self._tracer = tracer
        self._instance_name = instance_name

    async def __call__(self, instance_id: str, /) -> str:
        """Return the private DNS name. Raises `Denied` or `Unavailable`."""
        review = _review.get()
        if review is None:
            return await self._instance_name(instance_id)
        span = _child(self._tracer, review, "look up EC2 instance name", SpanKind.INTERNAL, {})
        try:
            return await self._instance_name(instance_id)
        except AuthdError as error:
            _fail(span, error)
            raise
        finally:
            span.end()


def _child(tracer: Tracer, review: _Review, name: str, kind: SpanKind, attributes: Mapping[str, str | int]) -> Span:
    return tracer.start_span(name, set_span_in_context(review.span, Context()), kind, attributes=attributes)


def _fail(span: Span, error: AuthdError) -> None:
    span.set_attribute("error.type", str(getattr(error, "reason", "internal_error")))
    span.set_status(Status(StatusCode.ERROR))
