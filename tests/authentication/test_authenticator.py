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
from authd.core.arn import parse_arn
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


class Harness:
    """An authenticator with a fake STS and a mapping table that a test may replace."""

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
        """Return the decision on a token for which STS returns `answer`."""
        decisions = self.decide(token, *audiences)
        call = self.pending.pop(0)
        if isinstance(answer, CallerIdentity):
            call.callback(answer)
        else:
            call.errback(answer)
        (decision,) = decisions
        return decision

    def decided_without_call(self, token: str, *audiences: str) -> Decision:
        """Return a decision that needs no call to STS."""
        before = len(self.asked)
        (decision,) = self.decide(token, *audiences)
        assert len(self.asked) == before
        return decision


@pytest.fixture
def make(hosts: STSHosts, rules: Any) -> Any:
    table = build_table([rules.arn(ALICE, "alice", ["devs"])], {})

    def harness(**settings: Any) -> Harness:
        return Harness(hosts, table, **settings)

    return harness


@pytest.fixture
def harness(make: Any) -> Harness:
    made: Harness = make()
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


def test_a_mapped_caller_is_accepted(harness: Harness, token: str, alice: CallerIdentity) -> None:
    """A token that STS confirms and a rule matches is accepted, and the decision has every logged field."""
    decision = harness.decided(token, alice)
    assert (decision.reason, decision.message) == (ALLOWED, "")
    assert decision.user is not None
    assert (decision.user.username, decision.user.groups) == ("alice", ("devs",))
    assert decision.identity is alice
    assert decision.host == "sts.us-east-1.amazonaws.com"
    assert decision.source is Source.STS
    assert len(decision.token_digest) == 64
    assert harness.outcomes == ["ok"]


def test_each_decision_has_the_trace_of_its_review(harness: Harness, token: str) -> None:
    """Reviews that share a call to STS keep their own traces, even if the call fails."""
    traces = [TraceContext(f"{number:032x}", f"{number:016x}", sampled=True) for number in (1, 2)]
    decisions: list[Decision] = []
    for trace in (*traces, None):
        review = ReviewRequest(api_version="authentication.k8s.io/v1", token=token, audiences=(), trace=trace)
        Deferred.fromCoroutine(harness.authenticator.decide(review)).addCallback(decisions.append)
    (call,) = harness.pending
    call.errback(LATE)
    assert {decision.trace for decision in decisions} == {*traces, None}


def test_references_differ(harness: Harness) -> None:
    """Each decision has its own reference."""
    assert len({harness.decided_without_call("x").reference for _ in range(50)}) == 50


@pytest.mark.parametrize(
    ("token", "reason"),
    [("eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "foreign_token"), ("k8s-aws-v1.nonsense", "malformed_token")],
)
def test_foreign_and_malformed_tokens_cause_no_call(harness: Harness, token: str, reason: str) -> None:
    """Foreign and malformed tokens are refused without a call to STS, and the decision has no identity."""
    decision = harness.decided_without_call(token)
    assert decision.reason == reason
    assert (decision.user, decision.identity, decision.host) == (None, None, "")


def test_an_expired_token_causes_no_call(harness: Harness, token: str) -> None:
    """An expired token is refused without a call to STS."""
    harness.clock.advance(901)
    assert harness.decided_without_call(token).reason == DenialReason.TOKEN_EXPIRED


def test_an_unmapped_caller_is_refused(harness: Harness, token: str, identities: Any) -> None:
    """A confirmed caller without a matching rule is refused, and the decision has the identity."""
    decision = harness.decided(token, identities.of(MALLORY))
    assert decision.reason == DenialReason.IDENTITY_NOT_MAPPED
    assert decision.user is None
    assert decision.identity is not None
    assert decision.identity.arn_text == MALLORY


def test_a_reload_during_the_call_takes_effect(harness: Harness, token: str, alice: CallerIdentity) -> None:
    """The mappings in force when STS responds decide."""
    decisions = harness.decide(token)
    harness.table = build_table([], {})
    harness.pending[0].callback(alice)
    assert decisions[0].reason == DenialReason.IDENTITY_NOT_MAPPED


@pytest.mark.parametrize("error", [NO_SUCH_KEY, LATE])
def test_failures_of_sts_become_decisions(harness: Harness, token: str, error: Denied | Unavailable) -> None:
    """STS's refusals and failures become the decision, with their messages, and are counted."""
    decision = harness.decided(token, error)
    assert (decision.reason, decision.message, decision.user) == (error.reason, error.message, None)
    assert harness.outcomes == [error.reason]


def test_identical_tokens_share_one_call(harness: Harness, token: str, alice: CallerIdentity) -> None:
    """Concurrent reviews of the same token share one call, and each has its own decision."""
    decisions = [harness.decide(token) for _ in range(5)]
    assert len(harness.asked) == 1
    harness.pending[0].callback(alice)
    assert [len(each) for each in decisions] == [1] * 5
    assert {each[0].reason for each in decisions} == {ALLOWED}
    assert len({each[0].reference for each in decisions}) == 5
    harness.decide(token)
    assert len(harness.asked) == 2


@pytest.mark.parametrize("error", [NO_SUCH_KEY, LATE, ZeroDivisionError()])
def test_a_shared_call_that_fails_fails_for_all(harness: Harness, token: str, error: Exception) -> None:
    """If a shared call fails, it fails for every review that waits for it."""
    decisions = [harness.decide(token) for _ in range(3)]
    with capturedLogs() as events:
        harness.pending[0].errback(error)
    reason = error.reason if isinstance(error, Denied | Unavailable) else DenialReason.INTERNAL_ERROR
    assert [each[0].reason for each in decisions] == [reason] * 3
    assert len([event for event in events if "log_failure" in event]) == isinstance(error, ZeroDivisionError)


def test_different_tokens_share_no_call(harness: Harness, tokens: Any, alice: CallerIdentity) -> None:
    """Two tokens of the same caller cause two calls."""
    first, second = harness.decide(other(tokens, 1)), harness.decide(other(tokens, 2))
    assert len(harness.asked) == 2
    harness.pending[1].callback(alice)
    assert (first, len(second)) == ([], 1)


def test_calls_are_bounded(harness: Harness, tokens: Any) -> None:
    """A token over the limit waits for a slot, and is rejected if it gets none."""
    waiting = [harness.decide(other(tokens, number)) for number in range(4)]
    assert len(harness.asked) == 2
    harness.clock.advance(QUEUE_SECONDS)
    assert [[decision.reason for decision in each] for each in waiting] == [[], [], ["overloaded"], ["overloaded"]]


def test_a_waiting_call_starts_when_another_ends(harness: Harness, tokens: Any, alice: CallerIdentity) -> None:
    """A waiting token's call starts as soon as another call has ended."""
    decisions = [harness.decide(other(tokens, number)) for number in range(3)]
    harness.pending[0].callback(alice)
    assert len(harness.asked) == 3
    harness.pending[2].callback(alice)
    assert decisions[2][0].reason == ALLOWED


@pytest.mark.parametrize("error", [NO_SUCH_KEY, LATE, ZeroDivisionError()])
def test_a_failed_call_returns_its_slot(harness: Harness, tokens: Any, error: Exception) -> None:
    """The slot of a failed call is free for the next one."""
    for number in range(5):
        with capturedLogs():
            harness.decided(other(tokens, number), error)
    assert harness.limiter.in_flight == 0


def test_a_bug_in_the_call_denies_and_is_logged(harness: Harness, token: str, alice: CallerIdentity) -> None:
    """A bug is logged with its traceback and refuses the token without details. The next review is not affected."""
    with capturedLogs() as events:
        decision = harness.decided(token, ZeroDivisionError("s3cret"))
    assert decision.reason == DenialReason.INTERNAL_ERROR
    assert "s3cret" not in decision.message
    assert [event["log_failure"].type for event in events if "log_failure" in event] == [ZeroDivisionError]
    assert harness.decided(token, alice).reason == ALLOWED


def test_a_bug_in_mapping_denies_and_is_logged(harness: Harness, token: str, alice: CallerIdentity) -> None:
    """A bug in the mapping table refuses the token."""
    harness.table = None
    with capturedLogs() as events:
        decision = harness.decided(token, alice)
    assert (decision.reason, decision.user) == (DenialReason.INTERNAL_ERROR, None)
    assert len([event for event in events if "log_failure" in event]) == 1


def test_a_bug_in_the_limiter_ends_the_shared_call(
    harness: Harness, token: str, alice: CallerIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a bug, waiting reviews end, and the next review of the same token makes a new call."""
    entered: Deferred[Any] = Deferred()

    def broken(_: object) -> Deferred[Any]:
        return entered

    with monkeypatch.context() as patched, capturedLogs() as events:
        patched.setattr(harness.limiter, "acquire", broken)
        decisions = [harness.decide(token), harness.decide(token)]
        entered.errback(ZeroDivisionError())
    assert [[decision.reason for decision in each] for each in decisions] == [["internal_error"]] * 2
    assert [event["log_failure"].type for event in events if "log_failure" in event][:1] == [ZeroDivisionError]
    assert harness.decided(token, alice).reason == ALLOWED


def test_a_refusal_is_cached_for_the_same_token(harness: Harness, tokens: Any, token: str) -> None:
    """A repeated refused token costs one call for some seconds. Another token costs its own call."""
    harness.decided(token, NO_SUCH_KEY)
    again = harness.decided_without_call(token)
    assert (again.reason, again.message) == (NO_SUCH_KEY.reason, NO_SUCH_KEY.message)
    harness.decided(other(tokens, 1), NO_SUCH_KEY)
    harness.clock.advance(REFUSAL_SECONDS)
    harness.decided(token, NO_SUCH_KEY)


def test_a_temporary_failure_is_not_cached(harness: Harness, token: str, alice: CallerIdentity) -> None:
    """After a temporary failure, the next review calls STS again."""
    harness.decided(token, LATE)
    assert harness.decided(token, alice).reason == ALLOWED


def test_an_unmapped_identity_is_cached_until_a_reload(
    harness: Harness, token: str, identities: Any, rules: Any
) -> None:
    """An unmapped identity is cached for the exact token until the mappings change. Then STS is called again."""
    mallory = identities.of(MALLORY)
    first = harness.decided(token, mallory)
    again = harness.decided_without_call(token)
    assert (again.reason, again.message, again.identity) == (first.reason, first.message, mallory)
    assert again.source is Source.CACHE
    harness.table = build_table([rules.arn(MALLORY, "mallory")], {})
    assert harness.decided(token, mallory).reason == ALLOWED
    assert harness.decided(token, mallory).source is Source.STS


def test_an_unmapped_token_expires_like_any_other(harness: Harness, token: str, identities: Any) -> None:
    """A cached token without a mapping is refused as expired once it is too old."""
    harness.decided(token, identities.of(MALLORY))
    harness.clock.advance(901)
    assert harness.decided_without_call(token).reason == DenialReason.TOKEN_EXPIRED


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
    harness: Harness,
    token: str,
    identities: Any,
    monkeypatch: pytest.MonkeyPatch,
    answer: str | Exception,
    verdict: Verdict,
) -> None:
    """The limiter is told whether STS confirmed the token and a rule matched. A bug does not count as a refusal."""
    verdicts: list[Verdict] = []
    release = harness.limiter.release
    monkeypatch.setattr(
        harness.limiter, "release", lambda permit, verdict: [verdicts.append(verdict), release(permit, verdict)]
    )
    with capturedLogs():
        harness.decided(token, identities.of(answer) if isinstance(answer, str) else answer)
    assert verdicts == [verdict]


def test_an_open_circuit_takes_no_permit(harness: Harness, tokens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a host's circuit is open, its calls don't wait for permits, so they delay no other call."""
    for number in range(FAILURES_TO_OPEN):
        harness.decided(other(tokens, number), LATE)
    harness.decide(other(tokens, 100))  # the probe
    monkeypatch.setattr(harness.limiter, "acquire", None)
    assert harness.decided_without_call(other(tokens, 101)).reason == UnavailableReason.CIRCUIT_OPEN


def test_without_a_cache_each_review_calls_sts(harness: Harness, token: str, alice: CallerIdentity) -> None:
    """By default, each review calls STS."""
    for _ in range(3):
        assert harness.decided(token, alice).reason == ALLOWED
    assert len(harness.asked) == 3


def test_the_cache_is_for_one_token_and_time(make: Any, tokens: Any, alice: CallerIdentity) -> None:
    """With a cache, a confirmed token causes no further call until `cacheTTL` ends. Another token does."""
    harness = make(cache_ttl=60.0)
    token = other(tokens, 1)
    assert harness.decided(token, alice).source is Source.STS
    decision = harness.decided_without_call(token)
    assert (decision.reason, decision.source, decision.host) == (ALLOWED, Source.CACHE, "sts.us-east-1.amazonaws.com")
    harness.decided(other(tokens, 2), alice)
    harness.clock.advance(60)
    assert harness.decided(token, alice).source is Source.STS


def test_the_cache_ends_with_the_signature(make: Any, token: str, alice: CallerIdentity) -> None:
    """A cached token is not accepted after its signature's 15 minutes, however long `cacheTTL` is."""
    harness = make(cache_ttl=900.0)
    harness.clock.advance(300)
    harness.decided(token, alice)
    harness.clock.advance(600)
    assert harness.decided_without_call(token).reason == ALLOWED
    harness.clock.advance(1)
    assert harness.decided_without_call(token).reason == DenialReason.TOKEN_EXPIRED


def test_mappings_are_not_cached(make: Any, token: str, alice: CallerIdentity) -> None:
    """The removal of a mapping takes effect at once, with or without a cache."""
    harness = make(cache_ttl=60.0)
    harness.decided(token, alice)
    harness.table = build_table([], {})
    assert harness.decided_without_call(token).reason == DenialReason.IDENTITY_NOT_MAPPED


def test_a_recently_confirmed_token_is_accepted_while_sts_fails(make: Any, tokens: Any, alice: CallerIdentity) -> None:
    """With `staleIfError`, a recently confirmed token is accepted while STS fails, and marked. Others are not."""
    harness = make(stale_if_error=120.0)
    token = other(tokens, 1)
    harness.decided(token, alice)
    decision = harness.decided(token, LATE)
    assert (decision.reason, decision.source) == (ALLOWED, Source.STALE)
    assert harness.decided(other(tokens, 2), LATE).reason == UnavailableReason.STS_TIMEOUT
    assert harness.decided(token, NO_SUCH_KEY).reason == DenialReason.UNKNOWN_ACCESS_KEY
    harness.clock.advance(120)
    assert harness.decided(token, LATE).reason == UnavailableReason.STS_TIMEOUT


def test_strangers_cannot_evict_confirmations(
    make: Any, tokens: Any, alice: CallerIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only mapped callers' confirmations are kept, however many others STS confirms."""
    monkeypatch.setattr("authd.authentication.verdict_cache._MAX_CONFIRMED", 2)
    harness = make(stale_if_error=120.0)
    token = other(tokens, 1)
    harness.decided(token, alice)
    stranger = alice._replace(arn=parse_arn(MALLORY), canonical_arn=MALLORY, key=MALLORY)
    for number in range(2, 6):
        assert harness.decided(other(tokens, number), stranger).reason == DenialReason.IDENTITY_NOT_MAPPED
    assert harness.decided(token, LATE).source is Source.STALE


def test_a_failing_host_is_probed(harness: Harness, tokens: Any, alice: CallerIdentity) -> None:
    """After consecutive failures, only probes call the host. A success closes the circuit."""
    for number in range(FAILURES_TO_OPEN):
        harness.decided(other(tokens, number), LATE)
    probe = harness.decide(other(tokens, 100))
    assert harness.decided_without_call(other(tokens, 101)).reason == UnavailableReason.CIRCUIT_OPEN
    harness.pending.pop(0).callback(alice)
    assert probe[0].reason == ALLOWED
    assert harness.decided(other(tokens, 102), alice).reason == ALLOWED


def test_another_host_is_not_affected(harness: Harness, tokens: Any, alice: CallerIdentity) -> None:
    """A failing region does not affect other regions."""
    for number in range(FAILURES_TO_OPEN):
        harness.decided(other(tokens, number), LATE)
    harness.decide(other(tokens, 100))
    scope = {"X-Amz-Credential": "AKIAIOSFODNN7EXAMPLE%2F20260301%2Feu-west-1%2Fsts%2Faws4_request"}
    elsewhere = str(tokens.token(scope, begin="https://sts.eu-west-1.amazonaws.com/?"))
    harness.pending.clear()
    assert harness.decided(elsewhere, alice).reason == ALLOWED


def test_refusals_keep_the_circuit_closed(harness: Harness, tokens: Any) -> None:
    """Refusals are no failures of STS, so they don't open the circuit."""
    for number in range(FAILURES_TO_OPEN * 2):
        harness.decided(other(tokens, number), NO_SUCH_KEY)
        harness.clock.advance(2)


def test_audiences_must_overlap(make: Any, token: str, alice: CallerIdentity) -> None:
    """The response contains the common audiences. Without any, the token is refused without a call to STS."""
    harness = make(audiences=("a", "b"))
    assert harness.decided(token, alice, "b", "c").audiences == ("b",)
    assert harness.decided_without_call(token, "c").reason == DenialReason.AUDIENCE_MISMATCH


def test_no_decision_shows_the_token(harness: Harness, tokens: Any, alice: CallerIdentity) -> None:
    """Every decision contains the token's hash, and nothing else of the token."""
    good = other(tokens, 1)
    decisions = [
        harness.decided(good, alice),
        harness.decided(other(tokens, 2), LATE),
        harness.decided_without_call(good + "="),
        harness.decided_without_call("k8s-aws-v1." + "A" * 5000),
    ]
    for decision in decisions:
        assert good[-40:] not in repr(decision)
        assert "AAAAAAAA" not in repr(decision)
        assert f"{1:064x}" not in repr(decision)


def test_the_observer_counts_foreign_and_shared_tokens(harness: Harness, token: str, alice: CallerIdentity) -> None:
    """The observer counts foreign tokens by class, and reviews that share a call."""
    harness.decided_without_call("nonsense")
    first, second = harness.decide(token), harness.decide(token)
    harness.pending.pop().callback(alice)
    assert [decision.reason for decision in (*first, *second)] == ["allowed"] * 2
    assert (harness.foreigners, harness.shared) == ([ForeignToken.OTHER], 1)


def test_denials_name_the_signer_and_the_rule(harness: Harness, token: str, alice: CallerIdentity) -> None:
    """Every decision about a parsed token has its request. If a rule matched, it has the rule's place."""
    refused = harness.decided(token, Denied(DenialReason.SIGNATURE_MISMATCH, "no"))
    assert refused.request is not None
    assert (refused.request.access_key_id, refused.rule) == ("AKIAIOSFODNN7EXAMPLE", "")
    harness.clock.advance(2_000)
    expired = harness.decided_without_call(token)
    assert (expired.reason, expired.request is not None) == (DenialReason.TOKEN_EXPIRED, True)


@pytest.fixture
def instance(identities: Any, rules: Any) -> Any:
    """Return an instance's identity, and the table for it."""
    identity = identities.of("arn:aws:sts::111122223333:assumed-role/Nodes/i-0123456789abcdef0")
    rule = rules.arn("arn:aws:iam::111122223333:role/Nodes", "system:node:{{EC2PrivateDNSName}}")
    return identity, build_table([rule], {})


def test_the_name_of_an_instance(make: Any, token: str, instance: Any) -> None:
    """The instance is named by the session, and the look-up holds no permit for STS."""
    asked: list[str] = []
    name: Deferred[str] = Deferred()
    harness = make(instance_name=lambda instance_id: asked.append(instance_id) or name)
    identity, harness.table = instance
    decisions = harness.decide(token)
    harness.pending.pop(0).callback(identity)
    assert (asked, decisions) == (["i-0123456789abcdef0"], [])
    assert harness.limiter.in_flight == 0
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
def test_a_failed_name_lookup_refuses(make: Any, token: str, instance: Any, error: Denied | Unavailable) -> None:
    """If the look-up of the name fails, the token is refused."""

    async def fail(_: str) -> str:
        raise error

    harness = make(instance_name=fail)
    identity, harness.table = instance
    decision = harness.decided(token, identity)
    assert (decision.reason, decision.user) == (error.reason, None)
    assert decision.identity == identity


def test_no_instance_namer(harness: Harness, token: str, instance: Any) -> None:
    """An authenticator without the look-up refuses rules that need it."""
    identity, harness.table = instance
    assert harness.decided(token, identity).reason == DenialReason.USERNAME_NOT_RENDERED


def timed_alice(rules: Any, start: float, end: float) -> MappingTable:
    """Return a table with a timed rule for Alice, in seconds after the token was signed."""
    return build_table([rules.timed(rules.arn(ALICE, "alice"), SIGNED + start, SIGNED + end)], {})


def test_a_cached_identity_does_not_outlive_its_rule(make: Any, rules: Any, token: str, alice: CallerIdentity) -> None:
    """With `cacheTTL`, the rule's last second is accepted, and the next one refused without a call."""
    harness = make(cache_ttl=900.0)
    harness.table = timed_alice(rules, 0, 60)
    assert harness.decided(token, alice).reason == ALLOWED
    harness.clock.advance(59.9)
    assert harness.decided_without_call(token).reason == ALLOWED
    harness.clock.advance(0.1)
    refused = harness.decided_without_call(token)
    assert (refused.reason, refused.rule) == (DenialReason.IDENTITY_NOT_MAPPED, "m.yaml:1:1")
    assert "the rule at m.yaml:1:1 ended at 2026-03-01T12:01:00Z" in refused.message


def test_a_stale_identity_does_not_outlive_its_rule(make: Any, rules: Any, token: str, alice: CallerIdentity) -> None:
    """While STS fails, a rule still ends on time, even during the call."""
    harness = make(stale_if_error=900.0)
    harness.table = timed_alice(rules, 0, 60)
    assert harness.decided(token, alice).reason == ALLOWED
    harness.clock.advance(59.0)
    decisions = harness.decide(token)
    harness.clock.advance(1.0)
    harness.pending.pop(0).errback(Unavailable(UnavailableReason.STS_TIMEOUT, "too late"))
    assert [decision.reason for decision in decisions] == [DenialReason.IDENTITY_NOT_MAPPED]


def test_a_rule_that_ends_during_the_call(make: Any, rules: Any, token: str, alice: CallerIdentity) -> None:
    """The rule must be in force at the time of the decision, not only at that of the request."""
    harness = make()
    harness.table = timed_alice(rules, 0, 60)
    harness.clock.advance(59.0)
    decisions = harness.decide(token)
    harness.clock.advance(1.0)
    harness.pending.pop(0).callback(alice)
    assert decisions[0].reason == DenialReason.IDENTITY_NOT_MAPPED


def test_an_unmapped_identity_is_not_cached_beyond_a_rules_limit(
    make: Any, rules: Any, token: str, alice: CallerIdentity
) -> None:
    """The cache of unmapped identities ends whenever a rule begins or ends."""
    harness = make()
    harness.table = timed_alice(rules, 60, 120)
    refused = harness.decided(token, alice)
    assert (refused.reason, refused.rule) == (DenialReason.IDENTITY_NOT_MAPPED, "m.yaml:1:1")
    assert "begins at 2026-03-01T12:01:00Z" in refused.message
    harness.clock.advance(59.0)
    assert harness.decided_without_call(token).reason == DenialReason.IDENTITY_NOT_MAPPED
    harness.clock.advance(1.0)
    assert harness.decided(token, alice).reason == ALLOWED
    harness.clock.advance(60.0)
    assert harness.decided(token, alice).reason == DenialReason.IDENTITY_NOT_MAPPED


def test_a_rule_that_ends_while_the_name_is_looked_up(make: Any, rules: Any, token: str, identities: Any) -> None:
    """If the rule ends during the look-up of the instance's name, the token is refused."""
    name: Deferred[str] = Deferred()
    harness = make(instance_name=lambda _: name)
    role = rules.arn("arn:aws:iam::111122223333:role/Node", "system:node:{{EC2PrivateDNSName}}")
    harness.table = build_table([rules.timed(role, end=SIGNED + 10)], {})
    decisions = harness.decide(token)
    harness.pending.pop(0).callback(identities.of("arn:aws:sts::111122223333:assumed-role/Node/i-0123456789abcdef0"))
    harness.clock.advance(10)
    name.callback("ip-10-0-0-1.ec2.internal")
    assert decisions[0].reason == DenialReason.IDENTITY_NOT_MAPPED
    assert "ended at" in decisions[0].message
