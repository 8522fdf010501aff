"""Tests of decisions: calls to STS, shared calls, cached verdicts, and bugs."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from authd.authentication.authenticator import Authenticator
from authd.authentication.call_limiter import QUEUE_SECONDS, CallLimiter
from authd.authentication.callers import Verdict
from authd.authentication.circuit_breaker import FAILURES_TO_OPEN, CircuitBreakers
from authd.authentication.verdict_cache import REFUSAL_SECONDS, VerdictCache
from authd.core.caller_identity import CallerIdentity
from authd.core.decision import ALLOWED, Decision, Source
from authd.core.errors import DenialReason, Denied, Unavailable, UnavailableReason
from authd.core.foreign_token import ForeignToken
from authd.core.mapping.ordered_tables import OrderedTables, SourceTable
from authd.core.mapping.table import MappingTable, build_table
from authd.core.partitions import STSHosts
from authd.core.token import PresignedRequest, PresignedTokens
from authd.core.token_review import ReviewRequest
from authd.core.trace_context import TraceContext

#: When the tokens of the shared fixture were signed.
SIGNED = 1_772_366_400
ALICE = "arn:aws:iam::111122223333:user/alice"
MALLORY = "arn:aws:iam::444455556666:user/mallory"


class Desk:
    """An authenticator, an STS that answers when the test says so, and a mapping table that may change."""

    def __init__(
        self,
        hosts: STSHosts,
        table: MappingTable,
        *,
        concurrency: int = 2,
        cache_ttl: float = 0.0,
        stale_if_error: float = 0.0,
        audiences: tuple[str, ...] = (),
        instance_name: Any = None,
    ) -> None:
        self.clock = Clock()
        self.asked: list[PresignedRequest] = []
        self.pending: list[Deferred[CallerIdentity]] = []
        self.outcomes: list[str] = []
        self.table = table
        self.limiter: Any = CallLimiter(clock=self.clock, concurrency=concurrency, rate=300)
        self.foreigners: list[ForeignToken] = []
        self.shared = 0
        verdicts = VerdictCache(seconds=self.clock.seconds, cache_ttl=cache_ttl, stale_if_error=stale_if_error)
        self.authenticator = Authenticator(
            ask_sts=self._ask,
            tokens=PresignedTokens(hosts=hosts),
            tables=lambda: self.tables,
            now=lambda: SIGNED + self.clock.seconds(),
            limiter=self.limiter,
            breakers=CircuitBreakers(seconds=self.clock.seconds, jitter=lambda: 1.0),
            verdict_cache=verdicts,
            audiences=audiences,
            observer=self,
            instance_name=instance_name,
        )

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "table":  # a reload
            self.tables = OrderedTables(tables=(SourceTable("MountedFile", value),))

    def sts_called(self, outcome: str, /) -> None:
        self.outcomes.append(outcome)

    def foreign(self, token_class: ForeignToken, /) -> None:
        self.foreigners.append(token_class)

    def coalesced(self) -> None:
        self.shared += 1

    def _ask(self, request: PresignedRequest, /) -> Deferred[CallerIdentity]:
        self.asked.append(request)
        self.pending.append(Deferred())
        return self.pending[-1]

    def decide(self, token: str, *audiences: str) -> list[Decision]:
        """Start a review and return the list for its decision."""
        review = ReviewRequest(api_version="authentication.k8s.io/v1", token=token, audiences=audiences)
        decisions: list[Decision] = []
        Deferred.fromCoroutine(self.authenticator.decide(review)).addCallback(decisions.append)
        return decisions

    def decided(self, token: str, answer: CallerIdentity | Exception, *audiences: str) -> Decision:
        """Decide, with this answer of STS."""
        decisions = self.decide(token, *audiences)
        call = self.pending.pop(0)
        if isinstance(answer, CallerIdentity):
            call.callback(answer)
        else:
            call.errback(answer)
        (decision,) = decisions
        return decision

    def at_once(self, token: str, *audiences: str) -> Decision:
        """Decide without asking STS."""
        before = len(self.asked)
        (decision,) = self.decide(token, *audiences)
        assert len(self.asked) == before
        return decision


@pytest.fixture
def make(hosts: STSHosts, rules: Any) -> Any:
    table = build_table([rules.arn(ALICE, "alice", ["devs"])], {})

    def desk(**settings: Any) -> Desk:
        return Desk(hosts, table, **settings)

    return desk


@pytest.fixture
def desk(make: Any) -> Desk:
    made: Desk = make()
    return made


@pytest.fixture
def alice(identities: Any) -> CallerIdentity:
    found: CallerIdentity = identities.of(ALICE, principal_id="AIDAALICE")
    return found


@pytest.fixture
def token(tokens: Any) -> str:
    return str(tokens.token())


def other(tokens: Any, number: int) -> str:
    """Return one of many tokens that differ in their signature."""
    return str(tokens.token({"X-Amz-Signature": f"{number:064x}"}))


LATE = Unavailable(UnavailableReason.STS_TIMEOUT, "late")
NO_SUCH_KEY = Denied(DenialReason.UNKNOWN_ACCESS_KEY, "no such key")


def test_a_mapped_caller_is_let_in(desk: Desk, token: str, alice: CallerIdentity) -> None:
    """A token that STS confirms and the table maps is accepted, with all that the record needs."""
    decision = desk.decided(token, alice)
    assert (decision.reason, decision.message) == (ALLOWED, "")
    assert decision.user is not None
    assert (decision.user.username, decision.user.groups) == ("alice", ("devs",))
    assert decision.identity is alice
    assert decision.host == "sts.us-east-1.amazonaws.com"
    assert decision.source is Source.STS
    assert len(decision.token_digest) == 64
    assert desk.outcomes == ["ok"]


def test_each_decision_has_the_trace_of_its_review(desk: Desk, token: str) -> None:
    """Reviews of one token that share a call to STS keep traces of their own, also if the call fails."""
    traces = [TraceContext(f"{number:032x}", f"{number:016x}", sampled=True) for number in (1, 2)]
    decisions: list[Decision] = []
    for trace in (*traces, None):
        review = ReviewRequest(api_version="authentication.k8s.io/v1", token=token, audiences=(), trace=trace)
        Deferred.fromCoroutine(desk.authenticator.decide(review)).addCallback(decisions.append)
    (call,) = desk.pending
    call.errback(LATE)
    assert {decision.trace for decision in decisions} == {*traces, None}


def test_references_differ(desk: Desk) -> None:
    """Each decision has a reference of its own."""
    assert len({desk.at_once("x").reference for _ in range(50)}) == 50


@pytest.mark.parametrize(
    ("token", "reason"),
    [("eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "foreign_token"), ("k8s-aws-v1.nonsense", "malformed_token")],
)
def test_what_is_no_token_of_ours_costs_nothing(desk: Desk, token: str, reason: str) -> None:
    """Foreign and malformed tokens are refused without a call to STS, and the decision has no identity."""
    decision = desk.at_once(token)
    assert decision.reason == reason
    assert (decision.user, decision.identity, decision.host) == (None, None, "")


def test_a_token_outside_of_its_time_costs_nothing(desk: Desk, token: str) -> None:
    """A token that is too old is refused without asking STS."""
    desk.clock.advance(901)
    assert desk.at_once(token).reason == DenialReason.TOKEN_EXPIRED


def test_who_is_not_mapped_is_named(desk: Desk, token: str, identities: Any) -> None:
    """A caller whom STS confirms and no rule matches is refused, and the decision has the identity."""
    decision = desk.decided(token, identities.of(MALLORY))
    assert decision.reason == DenialReason.IDENTITY_NOT_MAPPED
    assert decision.user is None
    assert decision.identity is not None
    assert decision.identity.arn_text == MALLORY


def test_the_table_of_the_moment_decides(desk: Desk, token: str, alice: CallerIdentity) -> None:
    """The mapping is that which is in force when STS has answered."""
    decisions = desk.decide(token)
    desk.table = build_table([], {})
    desk.pending[0].callback(alice)
    assert decisions[0].reason == DenialReason.IDENTITY_NOT_MAPPED


@pytest.mark.parametrize("error", [NO_SUCH_KEY, LATE])
def test_what_sts_says_is_the_decision(desk: Desk, token: str, error: Denied | Unavailable) -> None:
    """STS's refusals and failures become the decision, with their words, and are counted."""
    decision = desk.decided(token, error)
    assert (decision.reason, decision.message, decision.user) == (error.reason, error.message, None)
    assert desk.outcomes == [error.reason]


def test_identical_tokens_share_one_call(desk: Desk, token: str, alice: CallerIdentity) -> None:
    """The same token under review several times at once costs one call, and each review has its own decision."""
    decisions = [desk.decide(token) for _ in range(5)]
    assert len(desk.asked) == 1
    desk.pending[0].callback(alice)
    assert [len(each) for each in decisions] == [1] * 5
    assert {each[0].reason for each in decisions} == {ALLOWED}
    assert len({each[0].reference for each in decisions}) == 5
    desk.decide(token)
    assert len(desk.asked) == 2


@pytest.mark.parametrize("error", [NO_SUCH_KEY, LATE, ZeroDivisionError()])
def test_a_shared_call_that_fails_fails_for_all(desk: Desk, token: str, error: Exception) -> None:
    """Every review that shares a call gets its outcome."""
    decisions = [desk.decide(token) for _ in range(3)]
    with capturedLogs() as events:
        desk.pending[0].errback(error)
    reason = error.reason if isinstance(error, Denied | Unavailable) else DenialReason.INTERNAL_ERROR
    assert [each[0].reason for each in decisions] == [reason] * 3
    assert len([event for event in events if "log_failure" in event]) == isinstance(error, ZeroDivisionError)


def test_tokens_that_differ_share_nothing(desk: Desk, tokens: Any, alice: CallerIdentity) -> None:
    """Two tokens of the same caller are two calls."""
    first, second = desk.decide(other(tokens, 1)), desk.decide(other(tokens, 2))
    assert len(desk.asked) == 2
    desk.pending[1].callback(alice)
    assert (first, len(second)) == ([], 1)


def test_calls_are_bounded(desk: Desk, tokens: Any) -> None:
    """Over the bound a token waits for its turn, then is turned away."""
    waiting = [desk.decide(other(tokens, number)) for number in range(4)]
    assert len(desk.asked) == 2
    desk.clock.advance(QUEUE_SECONDS)
    assert [[decision.reason for decision in each] for each in waiting] == [[], [], ["overloaded"], ["overloaded"]]


def test_a_turn_is_taken_when_a_call_ends(desk: Desk, tokens: Any, alice: CallerIdentity) -> None:
    """A token that waits is asked about as soon as another call has ended."""
    decisions = [desk.decide(other(tokens, number)) for number in range(3)]
    desk.pending[0].callback(alice)
    assert len(desk.asked) == 3
    desk.pending[2].callback(alice)
    assert decisions[2][0].reason == ALLOWED


@pytest.mark.parametrize("error", [NO_SUCH_KEY, LATE, ZeroDivisionError()])
def test_a_failed_call_gives_its_place_back(desk: Desk, tokens: Any, error: Exception) -> None:
    """However a call ends, the next one has its place."""
    for number in range(5):
        with capturedLogs():
            desk.decided(other(tokens, number), error)
    assert desk.limiter.in_flight == 0


def test_a_bug_in_asking_denies_and_is_logged(desk: Desk, token: str, alice: CallerIdentity) -> None:
    """A bug is a refusal without details and a failure in the log, and does not affect the next review."""
    with capturedLogs() as events:
        decision = desk.decided(token, ZeroDivisionError("s3cret"))
    assert decision.reason == DenialReason.INTERNAL_ERROR
    assert "s3cret" not in decision.message
    assert [event["log_failure"].type for event in events if "log_failure" in event] == [ZeroDivisionError]
    assert desk.decided(token, alice).reason == ALLOWED


def test_a_bug_in_mapping_denies_and_is_logged(desk: Desk, token: str, alice: CallerIdentity) -> None:
    """A broken table accepts nobody."""
    desk.table = None
    with capturedLogs() as events:
        decision = desk.decided(token, alice)
    assert (decision.reason, decision.user) == (DenialReason.INTERNAL_ERROR, None)
    assert len([event for event in events if "log_failure" in event]) == 1


def test_a_bug_in_the_limiter_leaves_nobody_waiting(
    desk: Desk, token: str, alice: CallerIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks on the way to STS, the same token is asked about anew the next time."""
    entered: Deferred[Any] = Deferred()

    def broken(_: object) -> Deferred[Any]:
        return entered

    with monkeypatch.context() as patched, capturedLogs() as events:
        patched.setattr(desk.limiter, "acquire", broken)
        decisions = [desk.decide(token), desk.decide(token)]
        entered.errback(ZeroDivisionError())
    assert [[decision.reason for decision in each] for each in decisions] == [["internal_error"]] * 2
    assert [event["log_failure"].type for event in events if "log_failure" in event][:1] == [ZeroDivisionError]
    assert desk.decided(token, alice).reason == ALLOWED


def test_a_definite_no_is_remembered_for_the_same_token(desk: Desk, tokens: Any, token: str) -> None:
    """A repeated refused token costs one call for some seconds. Another token costs its own call."""
    desk.decided(token, NO_SUCH_KEY)
    again = desk.at_once(token)
    assert (again.reason, again.message) == (NO_SUCH_KEY.reason, NO_SUCH_KEY.message)
    desk.decided(other(tokens, 1), NO_SUCH_KEY)
    desk.clock.advance(REFUSAL_SECONDS)
    desk.decided(token, NO_SUCH_KEY)


def test_a_passing_failure_is_not_remembered(desk: Desk, token: str, alice: CallerIdentity) -> None:
    """After a failure that may pass the next review asks again."""
    desk.decided(token, LATE)
    assert desk.decided(token, alice).reason == ALLOWED


def test_an_unmapped_caller_is_looked_up_anew(desk: Desk, token: str, identities: Any, rules: Any) -> None:
    """That no rule matches is remembered for the exact token until the mappings change. Then STS is asked again."""
    mallory = identities.of(MALLORY)
    first = desk.decided(token, mallory)
    again = desk.at_once(token)
    assert (again.reason, again.message, again.identity) == (first.reason, first.message, mallory)
    assert again.source is Source.CACHE
    desk.table = build_table([rules.arn(MALLORY, "mallory")], {})
    assert desk.decided(token, mallory).reason == ALLOWED
    assert desk.decided(token, mallory).source is Source.STS


def test_an_unmapped_token_expires_like_any_other(desk: Desk, token: str, identities: Any) -> None:
    """A remembered token without a mapping is refused for its age as soon as its time is over."""
    desk.decided(token, identities.of(MALLORY))
    desk.clock.advance(901)
    assert desk.at_once(token).reason == DenialReason.TOKEN_EXPIRED


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (ALICE, Verdict.MAPPED),
        (MALLORY, Verdict.UNMAPPED),
        (NO_SUCH_KEY, Verdict.REFUSED),
        (LATE, Verdict.FAILED),
        (Unavailable(UnavailableReason.STS_THROTTLED, "slow down"), Verdict.THROTTLED),
        (ZeroDivisionError(), Verdict.FAILED),
    ],
)
def test_the_limiter_learns_the_outcome(
    desk: Desk, token: str, identities: Any, monkeypatch: pytest.MonkeyPatch, answer: str | Exception, verdict: Verdict
) -> None:
    """The limiter hears whether STS confirmed the token and a mapping matched. A bug is no refusal."""
    verdicts: list[Verdict] = []
    release = desk.limiter.release
    monkeypatch.setattr(
        desk.limiter, "release", lambda permit, verdict: [verdicts.append(verdict), release(permit, verdict)]
    )
    with capturedLogs():
        desk.decided(token, identities.of(answer) if isinstance(answer, str) else answer)
    assert verdicts == [verdict]


def test_an_open_circuit_takes_no_permit(desk: Desk, tokens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a host's circuit is open its calls wait for nothing, so they keep nobody else waiting."""
    for number in range(FAILURES_TO_OPEN):
        desk.decided(other(tokens, number), LATE)
    desk.decide(other(tokens, 100))  # the probe
    monkeypatch.setattr(desk.limiter, "acquire", None)
    assert desk.at_once(other(tokens, 101)).reason == UnavailableReason.CIRCUIT_OPEN


def test_without_a_cache_each_review_asks(desk: Desk, token: str, alice: CallerIdentity) -> None:
    """By default STS is asked for each review."""
    for _ in range(3):
        assert desk.decided(token, alice).reason == ALLOWED
    assert len(desk.asked) == 3


def test_the_cache_is_for_exactly_that_token_and_time(make: Any, tokens: Any, alice: CallerIdentity) -> None:
    """With a cache, a confirmed token causes no further call until its time is up. Another token does."""
    desk = make(cache_ttl=60.0)
    token = other(tokens, 1)
    assert desk.decided(token, alice).source is Source.STS
    decision = desk.at_once(token)
    assert (decision.reason, decision.source, decision.host) == (ALLOWED, Source.CACHE, "sts.us-east-1.amazonaws.com")
    desk.decided(other(tokens, 2), alice)
    desk.clock.advance(60)
    assert desk.decided(token, alice).source is Source.STS


def test_the_cache_ends_with_the_signature(make: Any, token: str, alice: CallerIdentity) -> None:
    """However long the cache, a token is not accepted beyond its quarter of an hour."""
    desk = make(cache_ttl=900.0)
    desk.clock.advance(300)
    desk.decided(token, alice)
    desk.clock.advance(600)
    assert desk.at_once(token).reason == ALLOWED
    desk.clock.advance(1)
    assert desk.at_once(token).reason == DenialReason.TOKEN_EXPIRED


def test_the_cache_does_not_remember_mappings(make: Any, token: str, alice: CallerIdentity) -> None:
    """A mapping that is removed acts at once, cache or not."""
    desk = make(cache_ttl=60.0)
    desk.decided(token, alice)
    desk.table = build_table([], {})
    assert desk.at_once(token).reason == DenialReason.IDENTITY_NOT_MAPPED


def test_while_sts_is_down_the_known_token_may_pass(make: Any, tokens: Any, alice: CallerIdentity) -> None:
    """With staleIfError a recently confirmed token is accepted while STS fails, and marked. No other token is."""
    desk = make(stale_if_error=120.0)
    token = other(tokens, 1)
    desk.decided(token, alice)
    decision = desk.decided(token, LATE)
    assert (decision.reason, decision.source) == (ALLOWED, Source.STALE)
    assert desk.decided(other(tokens, 2), LATE).reason == UnavailableReason.STS_TIMEOUT
    assert desk.decided(token, NO_SUCH_KEY).reason == DenialReason.UNKNOWN_ACCESS_KEY
    desk.clock.advance(120)
    assert desk.decided(token, LATE).reason == UnavailableReason.STS_TIMEOUT


def test_a_host_that_keeps_failing_is_asked_by_probes(desk: Desk, tokens: Any, alice: CallerIdentity) -> None:
    """After failures in a row only probes call the host. A success closes the circuit."""
    for number in range(FAILURES_TO_OPEN):
        desk.decided(other(tokens, number), LATE)
    probe = desk.decide(other(tokens, 100))
    assert desk.at_once(other(tokens, 101)).reason == UnavailableReason.CIRCUIT_OPEN
    desk.pending.pop(0).callback(alice)
    assert probe[0].reason == ALLOWED
    assert desk.decided(other(tokens, 102), alice).reason == ALLOWED


def test_another_host_is_not_affected(desk: Desk, tokens: Any, alice: CallerIdentity) -> None:
    """One region's trouble is not another's."""
    for number in range(FAILURES_TO_OPEN):
        desk.decided(other(tokens, number), LATE)
    desk.decide(other(tokens, 100))
    scope = {"X-Amz-Credential": "AKIAIOSFODNN7EXAMPLE%2F20260301%2Feu-west-1%2Fsts%2Faws4_request"}
    elsewhere = str(tokens.token(scope, begin="https://sts.eu-west-1.amazonaws.com/?"))
    desk.pending.clear()
    assert desk.decided(elsewhere, alice).reason == ALLOWED


def test_definite_answers_keep_the_circuit_closed(desk: Desk, tokens: Any) -> None:
    """A no is an answer: refusals never keep others from asking."""
    for number in range(FAILURES_TO_OPEN * 2):
        desk.decided(other(tokens, number), NO_SUCH_KEY)
        desk.clock.advance(2)


def test_audiences_must_meet(make: Any, token: str, alice: CallerIdentity) -> None:
    """The response repeats common audiences. Without any, the token is refused without a call to STS."""
    desk = make(audiences=("a", "b"))
    assert desk.decided(token, alice, "b", "c").audiences == ("b",)
    assert desk.at_once(token, "c").reason == DenialReason.AUDIENCE_MISMATCH


def test_no_decision_shows_the_token(desk: Desk, tokens: Any, alice: CallerIdentity) -> None:
    """Nothing of a token but its hash is in a decision, whatever the decision is."""
    good = other(tokens, 1)
    decisions = [
        desk.decided(good, alice),
        desk.decided(other(tokens, 2), LATE),
        desk.at_once(good + "="),
        desk.at_once("k8s-aws-v1." + "A" * 5000),
    ]
    for decision in decisions:
        assert good[-40:] not in repr(decision)
        assert "AAAAAAAA" not in repr(decision)
        assert f"{1:064x}" not in repr(decision)


def test_the_observer_counts_foreign_and_shared_tokens(desk: Desk, token: str, alice: CallerIdentity) -> None:
    """Foreign tokens are noted with their class, and reviews that share a call with the fact that they do."""
    desk.at_once("nonsense")
    first, second = desk.decide(token), desk.decide(token)
    desk.pending.pop().callback(alice)
    assert [decision.reason for decision in (*first, *second)] == ["allowed"] * 2
    assert (desk.foreigners, desk.shared) == ([ForeignToken.OTHER], 1)


def test_denials_name_the_signer_and_the_rule(desk: Desk, token: str, alice: CallerIdentity) -> None:
    """Every decision about a readable token has its request, and one by a rule has the rule's place."""
    refused = desk.decided(token, Denied(DenialReason.SIGNATURE_MISMATCH, "no"))
    assert refused.request is not None
    assert (refused.request.access_key_id, refused.rule) == ("AKIAIOSFODNN7EXAMPLE", "")
    desk.clock.advance(2_000)
    expired = desk.at_once(token)
    assert (expired.reason, expired.request is not None) == (DenialReason.TOKEN_EXPIRED, True)


@pytest.fixture
def instance(identities: Any, rules: Any) -> Any:
    """Return an instance's identity, and the table for it."""
    identity = identities.of("arn:aws:sts::111122223333:assumed-role/Nodes/i-0123456789abcdef0")
    rule = rules.arn("arn:aws:iam::111122223333:role/Nodes", "system:node:{{EC2PrivateDNSName}}")
    return identity, build_table([rule], {})


def test_the_name_of_an_instance(make: Any, token: str, instance: Any) -> None:
    """The name is looked up by the session's, and the permit for STS is free meanwhile."""
    asked: list[str] = []
    name: Deferred[str] = Deferred()
    desk = make(instance_name=lambda instance_id: asked.append(instance_id) or name)
    identity, desk.table = instance
    decisions = desk.decide(token)
    desk.pending.pop(0).callback(identity)
    assert (asked, decisions) == (["i-0123456789abcdef0"], [])
    assert desk.limiter.in_flight == 0
    name.callback("ip-10-0-0-1.ec2.internal")
    (decision,) = decisions
    assert decision.reason == ALLOWED
    assert decision.user.username == "system:node:ip-10-0-0-1.ec2.internal"
    assert decision.rule == decision.user.rule == "m.yaml:1:1"


@pytest.mark.parametrize(
    "error",
    [
        Denied(DenialReason.INSTANCE_NAME_UNKNOWN, "no"),
        Unavailable(UnavailableReason.INSTANCE_LOOKUP_THROTTLED, "slow"),
    ],
)
def test_a_name_that_is_not_there(make: Any, token: str, instance: Any, error: Denied | Unavailable) -> None:
    """Without the name nobody is let in, and never as a part of it."""

    async def fail(_: str) -> str:
        raise error

    desk = make(instance_name=fail)
    identity, desk.table = instance
    decision = desk.decided(token, identity)
    assert (decision.reason, decision.user) == (error.reason, None)
    assert decision.identity == identity


def test_no_look_up_of_names(desk: Desk, token: str, instance: Any) -> None:
    """An authenticator without the look-up refuses."""
    identity, desk.table = instance
    assert desk.decided(token, identity).reason == DenialReason.USERNAME_NOT_RENDERED


def timed_alice(rules: Any, start: float, end: float) -> MappingTable:
    """Return the table of a rule for Alice with a time, in seconds after the token was signed."""
    return build_table([rules.timed(rules.arn(ALICE, "alice"), SIGNED + start, SIGNED + end)], {})


def test_a_cached_identity_does_not_outlive_its_rule(make: Any, rules: Any, token: str, alice: CallerIdentity) -> None:
    """With `cacheTTL`, the last second before the end is accepted, and the next one refused without a call."""
    desk = make(cache_ttl=900.0)
    desk.table = timed_alice(rules, 0, 60)
    assert desk.decided(token, alice).reason == ALLOWED
    desk.clock.advance(59.9)
    assert desk.at_once(token).reason == ALLOWED
    desk.clock.advance(0.1)
    refused = desk.at_once(token)
    assert (refused.reason, refused.rule) == (DenialReason.IDENTITY_NOT_MAPPED, "m.yaml:1:1")
    assert "the rule at m.yaml:1:1 ended at 2026-03-01T12:01:00Z" in refused.message


def test_a_stale_identity_does_not_outlive_its_rule(make: Any, rules: Any, token: str, alice: CallerIdentity) -> None:
    """While STS fails, a rule ends on time too: also if it ends during the call."""
    desk = make(stale_if_error=900.0)
    desk.table = timed_alice(rules, 0, 60)
    assert desk.decided(token, alice).reason == ALLOWED
    desk.clock.advance(59.0)
    decisions = desk.decide(token)
    desk.clock.advance(1.0)
    desk.pending.pop(0).errback(Unavailable(UnavailableReason.STS_TIMEOUT, "too late"))
    assert [decision.reason for decision in decisions] == [DenialReason.IDENTITY_NOT_MAPPED]


def test_a_rule_that_ends_during_the_call(make: Any, rules: Any, token: str, alice: CallerIdentity) -> None:
    """The time of the decision counts, not that of the request."""
    desk = make()
    desk.table = timed_alice(rules, 0, 60)
    desk.clock.advance(59.0)
    decisions = desk.decide(token)
    desk.clock.advance(1.0)
    desk.pending.pop(0).callback(alice)
    assert decisions[0].reason == DenialReason.IDENTITY_NOT_MAPPED


def test_an_unmapped_identity_is_asked_again_once_its_rule_begins(
    make: Any, rules: Any, token: str, alice: CallerIdentity
) -> None:
    """The memory of unmapped identities ends whenever a rule begins or ends."""
    desk = make()
    desk.table = timed_alice(rules, 60, 120)
    refused = desk.decided(token, alice)
    assert (refused.reason, refused.rule) == (DenialReason.IDENTITY_NOT_MAPPED, "m.yaml:1:1")
    assert "begins at 2026-03-01T12:01:00Z" in refused.message
    desk.clock.advance(59.0)
    assert desk.at_once(token).reason == DenialReason.IDENTITY_NOT_MAPPED
    desk.clock.advance(1.0)
    assert desk.decided(token, alice).reason == ALLOWED
    desk.clock.advance(60.0)
    assert desk.decided(token, alice).reason == DenialReason.IDENTITY_NOT_MAPPED


def test_a_rule_that_ends_while_the_name_is_looked_up(make: Any, rules: Any, token: str, identities: Any) -> None:
    """The name of an instance that arrives after the end of the rule lets nobody in."""
    name: Deferred[str] = Deferred()
    desk = make(instance_name=lambda _: name)
    role = rules.arn("arn:aws:iam::111122223333:role/Node", "system:node:{{EC2PrivateDNSName}}")
    desk.table = build_table([rules.timed(role, end=SIGNED + 10)], {})
    decisions = desk.decide(token)
    desk.pending.pop(0).callback(identities.of("arn:aws:sts::111122223333:assumed-role/Node/i-0123456789abcdef0"))
    desk.clock.advance(10)
    name.callback("ip-10-0-0-1.ec2.internal")
    assert decisions[0].reason == DenialReason.IDENTITY_NOT_MAPPED
    assert "ended at" in decisions[0].message
