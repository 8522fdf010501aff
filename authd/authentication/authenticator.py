"""Decides about one token: parses it, asks STS for the caller's identity, and maps the identity to a user.

Independent of HTTP and the reactor. The constructor takes all external dependencies.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from authd.authentication.call_limiter import CallLimiter
from authd.authentication.callers import Verdict
from authd.authentication.circuit_breaker import CircuitBreakers
from authd.authentication.token import AskedT_contra, Token, TokenParser, TokenT
from authd.authentication.verdict_cache import Unmapped, VerdictCache
from authd.core.caller_identity import CallerIdentity
from authd.core.decision import ALLOWED, Decision, Source
from authd.core.errors import DenialReason, Denied, Unavailable, UnavailableReason
from authd.core.foreign_token import ForeignToken, classify
from authd.core.kubernetes_user import KubernetesUser
from authd.core.mapping.ordered_tables import Match, OrderedTables
from authd.core.token import digest
from authd.core.token_review import ReviewRequest, common_audiences
from authd.core.trace_context import TraceContext

_log = Logger(namespace="authd.authenticator")

_INTERNAL_ERROR = "an internal error; see the daemon's log"

#: Reported to the circuit breaker for a call that a bug ended. Its reason neither opens nor closes a circuit.
_INTERNAL_FAILURE = Unavailable(UnavailableReason.OVERLOADED, _INTERNAL_ERROR)

#: The outcome of a call that a bug ended.
_INTERNAL_DENIAL = Denied(DenialReason.INTERNAL_ERROR, _INTERNAL_ERROR)


class Mapped(NamedTuple):
    """An identity that STS confirmed, and its user in the cluster."""

    identity: CallerIdentity
    user: KubernetesUser


class AwaitsName(NamedTuple):
    """An identity that STS confirmed, and its rule, whose user name contains the name of an EC2 instance."""

    identity: CallerIdentity
    match: Match


#: The outcome of one call to STS, shared by all reviews that wait for it.
_Outcome = Mapped | AwaitsName | Unmapped | Denied | Unavailable


class STSCaller(Protocol[AskedT_contra]):
    """Sends checked requests to STS."""

    def __call__(self, request: AskedT_contra, /) -> Awaitable[CallerIdentity]:
        """Return the caller's identity. Raises `Denied`, or `Unavailable` after `sts.timeout` at the latest."""
        ...


class InstanceNamer(Protocol):
    """Looks up names of EC2 instances."""

    def __call__(self, instance_id: str, /) -> Awaitable[str]:
        """Return the private DNS name, never an empty one. Raises `Denied` or `Unavailable`."""
        ...


class CallObserver(Protocol):
    """Counts calls to STS for the metrics."""

    def sts_called(self, outcome: str, /) -> None:
        """Record the end of a call: `ok` or the reason of its failure."""
        ...

    def foreign(self, token_class: ForeignToken, /) -> None:
        """Count a token of another authenticator."""
        ...

    def coalesced(self) -> None:
        """Count a review that shares another one's call to STS."""
        ...


class Authenticator(Generic[TokenT]):
    """Decides about tokens. Concurrent reviews of the same token share one call to STS."""

    def __init__(
        self,
        *,
        tokens: TokenParser[TokenT],
        ask_sts: STSCaller[TokenT],
        tables: Callable[[], OrderedTables],
        now: Callable[[], float],
        limiter: CallLimiter,
        breakers: CircuitBreakers,
        verdict_cache: VerdictCache,
        audiences: tuple[str, ...] = (),
        observer: CallObserver | None = None,
        instance_name: InstanceNamer | None = None,
    ) -> None:
        self._ask_sts = ask_sts
        self._tokens = tokens
        self._tables = tables
        self._now = now
        self._limiter = limiter
        self._breakers = breakers
        self._verdict_cache = verdict_cache
        self._audiences = audiences
        self._observer = observer
        self._instance_name = instance_name
        self._flights: dict[str, list[Deferred[_Outcome]]] = {}

    async def decide(self, review: ReviewRequest) -> Decision:
        """Decide about one token. Never raises, because every failure is a decision too."""
        progress = _Progress(review.trace)
        try:
            self._check_prefix(review.token)
            progress.token_digest = digest(review.token)
            outcome = await self._review(review, progress)
            if isinstance(outcome, Mapped):
                progress.identity, progress.rule = outcome.identity, outcome.user.rule
                return progress.decision(ALLOWED, "", outcome.user)
            if isinstance(outcome, AwaitsName):
                progress.identity, progress.rule = outcome.identity, outcome.match.rule.where
                return progress.decision(ALLOWED, "", await self._named(outcome))
            if isinstance(outcome, Unmapped):
                progress.identity, progress.rule = outcome.identity, outcome.rule
                outcome = outcome.denied
            return progress.decision(outcome.reason, outcome.message)
        except (Denied, Unavailable) as error:
            return progress.decision(error.reason, error.message)
        except Exception:  # a bug must deny the token, be logged, and not end the daemon
            _log.failure("deciding about a token failed")
            return progress.decision(DenialReason.INTERNAL_ERROR, _INTERNAL_ERROR)

    def _check_prefix(self, token: str) -> None:
        try:
            self._tokens.check_prefix(token)
        except Denied:
            if self._observer is not None:
                self._observer.foreign(classify(token))
            raise

    async def _review(self, review: ReviewRequest, progress: _Progress) -> _Outcome:
        now = self._now()
        fresh = self._verdict_cache.fresh(progress.token_digest, now)
        if fresh is not None:
            progress.request, progress.source = fresh.request, Source.CACHE
            progress.audiences = common_audiences(review.audiences, self._audiences)
            return _map(self._tables(), fresh.identity, now)
        request = self._tokens.parse(review.token, digest=progress.token_digest)
        progress.request = request
        self._tokens.check_window(request, now)
        progress.audiences = common_audiences(review.audiences, self._audiences)
        self._verdict_cache.check_refused(request.digest)
        unmapped = self._verdict_cache.unmapped(request.digest, self._tables(), now)
        if unmapped is not None:
            progress.source = Source.CACHE
            return unmapped
        outcome = await self._shared_call(request)
        stale = self._verdict_cache.stale(request.digest, now) if isinstance(outcome, Unavailable) else None
        if stale is not None:
            progress.source = Source.STALE
            return _map(self._tables(), stale.identity, self._now())
        return outcome

    async def _named(self, outcome: AwaitsName) -> KubernetesUser:
        identity, match = outcome
        if self._instance_name is None:
            return match.render(identity)
        name = await self._instance_name(identity.arn.session)
        match.check_time(self._now())  # the look-up may have taken seconds
        return match.render(identity, name)

    async def _shared_call(self, request: TokenT) -> _Outcome:
        followers = self._flights.get(request.digest)
        if followers is not None:
            follower: Deferred[_Outcome] = Deferred()
            followers.append(follower)
            if self._observer is not None:
                self._observer.coalesced()
            return await follower
        followers = self._flights[request.digest] = []
        outcome: _Outcome = _INTERNAL_DENIAL
        try:
            outcome = await self._call(request)
        finally:  # even after a bug, no review is left waiting
            del self._flights[request.digest]
            for follower in followers:
                follower.callback(outcome)
        return outcome

    async def _call(self, request: TokenT) -> _Outcome:
        """Call STS within the limits. Never raises, because other reviews may share the outcome."""
        try:
            if self._breakers.has_failures:
                # A call that an open circuit refuses must neither wait for a permit nor take one from other calls.
                self._breakers.check(request.host, known=self._limiter.is_known(request))
            permit = await self._limiter.acquire(request)
        except Unavailable as error:
            return error
        outcome: _Outcome = _INTERNAL_DENIAL
        try:
            outcome = await self._ask(request, known=permit.known)
        except Exception:  # a bug must deny the token, be logged, and not end the daemon
            _log.failure("asking STS failed")
        finally:
            self._limiter.release(permit, _verdict(outcome))
        return outcome

    async def _ask(self, request: TokenT, *, known: bool) -> _Outcome:
        try:
            passage = self._breakers.enter(request.host, known=known)
        except Unavailable as error:
            return error
        failure: Unavailable | None = _INTERNAL_FAILURE
        outcome: CallerIdentity | Denied | Unavailable
        try:
            outcome = await self._ask_sts(request)
            failure = None
        except Denied as error:
            outcome, failure = error, None
            self._verdict_cache.refuse(request, error)
        except Unavailable as error:
            outcome = failure = error
        finally:
            self._breakers.ended(passage, failure)
        if self._observer is not None:
            self._observer.sts_called("ok" if isinstance(outcome, CallerIdentity) else outcome.reason)
        return self._confirmed(request, outcome) if isinstance(outcome, CallerIdentity) else outcome

    def _confirmed(self, request: TokenT, identity: CallerIdentity) -> Mapped | AwaitsName | Unmapped:
        tables, now = self._tables(), self._now()
        outcome = _map(tables, identity, now)
        if isinstance(outcome, Unmapped):
            self._verdict_cache.set_unmapped(request, outcome, tables, now)
        else:  # only mapped callers, so that strangers can't evict their confirmations
            self._verdict_cache.confirm(request, identity)
        return outcome


def _map(tables: OrderedTables, identity: CallerIdentity, now: float) -> Mapped | AwaitsName | Unmapped:
    rule = ""
    try:
        match = tables.match(identity, now)
        rule = match.rule.where
        return AwaitsName(identity, match) if match.needs_instance_name else Mapped(identity, match.render(identity))
    except Denied as denied:
        other = tables.rule_of_another_time(identity, now) if not rule else None
        return Unmapped(identity, denied, rule if other is None else other.where)


def _verdict(outcome: _Outcome) -> Verdict:
    """Return the limiter's verdict on an outcome. A bug counts as a failure, not as a refusal by STS."""
    if isinstance(outcome, Mapped | AwaitsName):
        return Verdict.MAPPED
    if isinstance(outcome, Unmapped):
        return Verdict.UNMAPPED
    if isinstance(outcome, Denied):
        return Verdict.FAILED if outcome.reason is DenialReason.INTERNAL_ERROR else Verdict.REFUSED
    return Verdict.THROTTLED if outcome.reason is UnavailableReason.STS_THROTTLED else Verdict.FAILED


class _Progress:
    """The facts known about a review so far. `decision` builds a decision from them."""

    __slots__ = ("audiences", "identity", "request", "rule", "source", "token_digest", "trace")

    def __init__(self, trace: TraceContext | None) -> None:
        self.trace = trace
        self.token_digest = ""
        self.request: Token | None = None
        self.rule = ""
        self.audiences: tuple[str, ...] = ()
        self.identity: CallerIdentity | None = None
        self.source = Source.STS

    def decision(self, reason: str, message: str, user: KubernetesUser | None = None) -> Decision:
        return Decision(
            reason=reason,
            message=message,
            reference=f"{random.getrandbits(32):08x}",  # identifies log lines, needs no secrecy
            token_digest=self.token_digest,
            host="" if self.request is None else self.request.host,
            user=user,
            identity=self.identity,
            source=self.source,
            audiences=self.audiences,
            request=self.request,
            rule=self.rule,
            trace=self.trace,
        )
