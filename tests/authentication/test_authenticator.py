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

    def at_once(self, token: str, *audiences: str) -> Decision:
        """Return a decision that needs no call to STS."""
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


def test_a_mapped_caller_is_accepted(desk: Desk, token: str, alice: CallerIdentity) -> None:
    """A token that STS confirms and a rule matches is accepted, and the decision has every logged field."""
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
    """Reviews that share a call to STS keep their own traces, even if the call fails."""
    traces = [TraceContext(f"{number:032x}", f"{number:016x}", sampled=True) for number in (1, 2)]
    decisions: list[Decision] = []
    for trace in (*traces, None):
        review = ReviewRequest(api_version="authentication.k8s.io/v1", token=token, audiences=(), trace=trace)
        Deferred.fromCoroutine(desk.authenticator.decide(review)).addCallback(decisions.append)
    (call,) = desk.pending
    call.errback(LATE)
    assert {decision.trace for decision in decisions} == {*traces, None}


def test_references_differ(desk: Desk) -> None:
    """Each decision has its own reference."""
    assert len({desk.at_once("x").reference for _ in range(50)}) == 50


@pytest.mark.parametrize(
    ("token", "reason"),
    [("eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "foreign_token"), ("k8s-aws-v1.nonsense", "malformed_token")],
)
def test_foreign_and_malformed_tokens_cause_no_call(desk: Desk, token: str, reason: str) -> None:
    """Foreign and malformed tokens are refused without a call to STS, and the decision has no identity."""
    decision = desk.at_once(token)
    assert decision.reason == reason
    assert (decision.user, decision.identity, decision.host) == (None, None, "")


def test_an_expired_token_causes_no_call(desk: Desk, token: str) -> None:
    """An expired token is refused without a call to STS."""
    desk.clock.advance(901)
    assert desk.at_once(token).reason == DenialReason.TOKEN_EXPIRED


def test_an_unmapped_caller_is_refused(desk: Desk, token: str, identities: Any) -> None:
    """A confirmed caller without a matching rule is refused, and the decision has the identity."""
    decision = desk.decided(token, identities.of(MALLORY))
    assert decision.reason == DenialReason.IDENTITY_NOT_MAPPED
    assert decision.user is None
    assert decision.identity is not None
    assert decision.identity.arn_text == MALLORY


def test_a_reload_during_the_call_takes_effect(desk: Desk, token: str, alice: CallerIdentity) -> None:
    """The mappings in force when STS responds decide."""
    decisions = desk.decide(token)
    desk.table = build_table([], {})
    desk.pending[0].callback(alice)
    assert decisions[0].reason == DenialReason.IDENTITY_NOT_MAPPED


@pytest.mark.parametrize("error", [NO_SUCH_KEY, LATE])
def test_failures_of_sts_become_decisions(desk: Desk, token: str, error: Denied | Unavailable) -> None:
    """STS's refusals and failures become the decision, with their messages, and are counted."""
    decision = desk.decided(token, error)
    assert (decision.reason, decision.message, decision.user) == (error.reason, error.message, None)
    assert desk.outcomes == [error.reason]


def test_identical_tokens_share_one_call(desk: Desk, token: str, alice: CallerIdentity) -> None:
    """Concurrent reviews of the same token share one call, and each has its own decision."""
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
    """If a shared call fails, it fails for every review that waits for it."""
    decisions = [desk.decide(token) for _ in range(3)]
    with capturedLogs() as events:
        desk.pending[0].errback(error)
    reason = error.reason if isinstance(error, Denied | Unavailable) else DenialReason.INTERNAL_ERROR
    assert [each[0].reason for each in decisions] == [reason] * 3
    assert len([event for event in events if "log_failure" in event]) == isinstance(error, ZeroDivisionError)


def test_different_tokens_share_no_call(desk: Desk, tokens: Any, alice: CallerIdentity) -> None:
    """Two tokens of the same caller cause two calls."""
    first, second = desk.decide(other(tokens, 1)), desk.decide(other(tokens, 2))
    assert len(desk.asked) == 2
    desk.pending[1].callback(alice)
    assert (first, len(second)) == ([], 1)


def test_calls_are_bounded(desk: Desk, tokens: Any) -> None:
    """A token over the limit waits for a slot, and is rejected if it gets none."""
    waiting = [desk.decide(other(tokens, number)) for number in range(4)]
    assert len(desk.asked) == 2
    desk.clock.advance(QUEUE_SECONDS)
    assert [[decision.reason for decision in each] for each in waiting] == [[], [], ["overloaded"], ["overloaded"]]


def test_a_waiting_call_starts_when_another_ends(desk: Desk, tokens: Any, alice: CallerIdentity) -> None:
    """A waiting token's call starts as soon as another call has ended."""
    decisions = [desk.decide(other(tokens, number)) for number in range(3)]
    desk.pending[0].callback(alice)
    assert len(desk.asked) == 3
    desk.pending[2].callback(alice)
    assert decisions[2][0].reason == ALLOWED


@pytest.mark.parametrize("error", [NO_SUCH_KEY, LATE, ZeroDivisionError()])
def test_a_failed_call_returns_its_slot(desk: Desk, tokens: Any, error: Exception) -> None:
    """The slot of a failed call is free for the next one."""
    for number in range(5):
        with capturedLogs():
            desk.decided(other(tokens, number), error)
    assert desk.limiter.in_flight == 0


def test_a_bug_in_the_call_denies_and_is_logged(desk: Desk, token: str, alice: CallerIdentity) -> None:
    """A bug is logged with its traceback and refuses the token without details. The next review is not affected."""
    with capturedLogs() as events:
        decision = desk.decided(token, ZeroDivisionError("s3cret"))
    assert decision.reason == DenialReason.INTERNAL_ERROR
    assert "s3cret" not in decision.message
    assert [event["log_failure"].type for event in events if "log_failure" in event] == [ZeroDivisionError]
    assert desk.decided(token, alice).reason == ALLOWED


def test_a_bug_in_mapping_denies_and_is_logged(desk: Desk, token: str, alice: CallerIdentity) -> None:
    """A bug in the mapping table refuses the token."""
    desk.table = None
    with capturedLogs() as events:
        decision = desk.decided(token, alice)
    assert (decision.reason, decision.user) == (DenialReason.INTERNAL_ERROR, None)
    assert len([event for event in events if "log_failure" in event]) == 1


def test_a_bug_in_the_limiter_ends_the_shared_call(
    desk: Desk, token: str, alice: CallerIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a bug, waiting reviews end, and the next review of the same token makes a new call."""
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


def test_a_refusal_is_cached_for_the_same_token(desk: Desk, tokens: Any, token: str) -> None:
    """A repeated refused token costs one call for some seconds. Another token costs its own call."""
    desk.decided(token, NO_SUCH_KEY)
    again = desk.at_once(token)
    assert (again.reason, again.message) == (NO_SUCH_KEY.reason, NO_SUCH_KEY.message)
    desk.decided(other(tokens, 1), NO_SUCH_KEY)
    desk.clock.advance(REFUSAL_SECONDS)
    desk.decided(token, NO_SUCH_KEY)


def test_a_temporary_failure_is_not_cached(desk: Desk, token: str, alice: CallerIdentity) -> None:
    """After a temporary failure, the next review calls STS again."""
    desk.decided(token, LATE)
    assert desk.decided(token, alice).reason == ALLOWED


def test_an_unmapped_identity_is_cached_until_a_reload(desk: Desk, token: str, identities: Any, rules: Any) -> None:
    """An unmapped identity is cached for the exact token until the mappings change. Then STS is called again."""
    mallory = identities.of(MALLORY)
    first = desk.decided(token, mallory)
    again = desk.at_once(token)
    assert (again.reason, again.message, again.identity) == (first.reason, first.message, mallory)
    assert again.source is Source.CACHE
    desk.table = build_table([rules.arn(MALLORY, "mallory")], {})
    assert desk.decided(token, mallory).reason == ALLOWED
    assert desk.decided(token, mallory).source is Source.STS


def test_an_unmapped_token_expires_like_any_other(desk: Desk, token: str, identities: Any) -> None:
    """A cached token without a mapping is refused as expired once it is too old."""
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
    """The limiter is told whether STS confirmed the token and a rule matched. A bug does not count as a refusal."""
    verdicts: list[Verdict] = []
    release = desk.limiter.release
    monkeypatch.setattr(
        desk.limiter, "release", lambda permit, verdict: [verdicts.append(verdict), release(permit, verdict)]
    )
    with capturedLogs():
        desk.decided(token, identities.of(answer) if isinstance(answer, str) else answer)
    assert verdicts == [verdict]


def test_an_open_circuit_takes_no_permit(desk: Desk, tokens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a host's circuit is open, its calls don't wait for permits, so they delay no other call."""
    for number in range(FAILURES_TO_OPEN):
        desk.decided(other(tokens, number), LATE)
    desk.decide(other(tokens, 100))  # the probe
    monkeypatch.setattr(desk.limiter, "acquire", None)
    assert desk.at_once(other(tokens, 101)).reason == UnavailableReason.CIRCUIT_OPEN


def test_without_a_cache_each_review_calls_sts(desk: Desk, token: str, alice: CallerIdentity) -> None:
    """By default, each review calls STS."""
    for _ in range(3):
        assert desk.decided(token, alice).reason == ALLOWED
    assert len(desk.asked) == 3


def test_the_cache_is_for_one_token_and_time(make: Any, tokens: Any, alice: CallerIdentity) -> None:
    """With a cache, a confirmed token causes no further call until `cacheTTL` ends. Another token does."""
    desk = make(cache_ttl=60.0)
    token = other(tokens, 1)
    assert desk.decided(token, alice).source is Source.STS
    decision = desk.at_once(token)
    assert (decision.reason, decision.source, decision.host) == (ALLOWED, Source.CACHE, "sts.us-east-1.amazonaws.com")
    desk.decided(other(tokens, 2), alice)
    desk.clock.advance(60)
    assert desk.decided(token, alice).source is Source.STS


def test_the_cache_ends_with_the_signature(make: Any, token: str, alice: CallerIdentity) -> None:
    """A cached token is not accepted after its signature's 15 minutes, however long `cacheTTL` is."""
    desk = make(cache_ttl=900.0)
    desk.clock.advance(300)
    desk.decided(token, alice)
    desk.clock.advance(600)
    assert desk.at_once(token).reason == ALLOWED
    desk.clock.advance(1)
    assert desk.at_once(token).reason == DenialReason.TOKEN_EXPIRED


def test_mappings_are_not_cached(make: Any, token: str, alice: CallerIdentity) -> None:
    """The removal of a mapping takes effect at once, with or without a cache."""
    desk = make(cache_ttl=60.0)
    desk.decided(token, alice)
    desk.table = build_table([], {})
    assert desk.at_once(token).reason == DenialReason.IDENTITY_NOT_MAPPED


def test_a_recently_confirmed_token_is_accepted_while_sts_fails(make: Any, tokens: Any, alice: CallerIdentity) -> None:
    """With `staleIfError`, a recently confirmed token is accepted while STS fails, and marked. Others are not."""
    desk = make(stale_if_error=120.0)
    token = other(tokens, 1)
    desk.decided(token, alice)
    decision = desk.decided(token, LATE)
    assert (decision.reason, decision.source) == (ALLOWED, Source.STALE)
    assert desk.decided(other(tokens, 2), LATE).reason == UnavailableReason.STS_TIMEOUT
    assert desk.decided(token, NO_SUCH_KEY).reason == DenialReason.UNKNOWN_ACCESS_KEY
    desk.clock.advance(120)
    assert desk.decided(token, LATE).reason == UnavailableReason.STS_TIMEOUT


def test_a_failing_host_is_probed(desk: Desk, tokens: Any, alice: CallerIdentity) -> None:
    """After consecutive failures, only probes call the host. A success closes the circuit."""
    for number in range(FAILURES_TO_OPEN):
        desk.decided(other(tokens, number), LATE)
    probe = desk.decide(other(tokens, 100))
    assert desk.at_once(other(tokens, 101)).reason == UnavailableReason.CIRCUIT_OPEN
    desk.pending.pop(0).callback(alice)
    assert probe[0].reason == ALLOWED
    assert desk.decided(other(tokens, 102), alice).reason == ALLOWED


def test_another_host_is_not_affected(desk: Desk, tokens: Any, alice: CallerIdentity) -> None:
    """A failing region does not affect other regions."""
    for number in range(FAILURES_TO_OPEN):
        desk.decided(other(tokens, number), LATE)
    desk.decide(other(tokens, 100))
    scope = {"X-Amz-Credential": "AKIAIOSFODNN7EXAMPLE%2F20260301%2Feu-west-1%2Fsts%2Faws4_request"}
    elsewhere = str(tokens.token(scope, begin="https://sts.eu-west-1.amazonaws.com/?"))
    desk.pending.clear()
    assert desk.decided(elsewhere, alice).reason == ALLOWED


def test_refusals_keep_the_circuit_closed(desk: Desk, tokens: Any) -> None:
    """Refusals are no failures of STS, so they don't open the circuit."""
    for number in range(FAILURES_TO_OPEN * 2):
        desk.decided(other(tokens, number), NO_SUCH_KEY)
        desk.clock.advance(2)


def test_audiences_must_overlap(make: Any, token: str, alice: CallerIdentity) -> None:
    """The response contains the common audiences. Without any, the token is refused without a call to STS."""
    desk = make(audiences=("a", "b"))
    assert desk.decided(token, alice, "b", "c").audiences == ("b",)
    assert desk.at_once(token, "c").reason == DenialReason.AUDIENCE_MISMATCH


def test_no_decision_shows_the_token(desk: Desk, tokens: Any, alice: CallerIdentity) -> None:
    """Every decision contains the token's hash, and nothing else of the token."""
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
    """The observer counts foreign tokens by class, and reviews that share a call."""
    desk.at_once("nonsense")
    first, second = desk.decide(token), desk.decide(token)
    desk.pending.pop().callback(alice)
    assert [decision.reason for decision in (*first, *second)] == ["allowed"] * 2
    assert (desk.foreigners, desk.shared) == ([ForeignToken.OTHER], 1)


def test_denials_name_the_signer_and_the_rule(desk: Desk, token: str, alice: CallerIdentity) -> None:
    """Every decision about a parsed token has its request. If a rule matched, it has the rule's place."""
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
    """The instance is named by the session, and the look-up holds no permit for STS."""
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
def test_a_failed_name_lookup_refuses(make: Any, token: str, instance: Any, error: Denied | Unavailable) -> None:
    """If the look-up of the name fails, the token is refused."""

    async def fail(_: str) -> str:
        raise error

    desk = make(instance_name=fail)
    identity, desk.table = instance
    decision = desk.decided(token, identity)
    assert (decision.reason, decision.user) == (error.reason, None)
    assert decision.identity == identity


def test_no_instance_namer(desk: Desk, token: str, instance: Any) -> None:
    """An authenticator without the look-up refuses rules that need it."""
    identity, desk.table = instance
    assert desk.decided(token, identity).reason == DenialReason.USERNAME_NOT_RENDERED


def timed_alice(rules: Any, start: float, end: float) -> MappingTable:
    """Return a table with a timed rule for Alice, in seconds after the token was signed."""
    return build_table([rules.timed(rules.arn(ALICE, "alice"), SIGNED + start, SIGNED + end)], {})


def test_a_cached_identity_does_not_outlive_its_rule(make: Any, rules: Any, token: str, alice: CallerIdentity) -> None:
    """With `cacheTTL`, the rule's last second is accepted, and the next one refused without a call."""
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
    """While STS fails, a rule still ends on time, even during the call."""
    desk = make(stale_if_error=900.0)
    desk.table = timed_alice(rules, 0, 60)
    assert desk.decided(token, alice).reason == ALLOWED
    desk.clock.advance(59.0)
    decisions = desk.decide(token)
    desk.clock.advance(1.0)
    desk.pending.pop(0).errback(Unavailable(UnavailableReason.STS_TIMEOUT, "too late"))
    assert [decision.reason for decision in decisions] == [DenialReason.IDENTITY_NOT_MAPPED]


def test_a_rule_that_ends_during_the_call(make: Any, rules: Any, token: str, alice: CallerIdentity) -> None:
    """The rule must be in force at the time of the decision, not only at that of the request."""
    desk = make()
    desk.table = timed_alice(rules, 0, 60)
    desk.clock.advance(59.0)
    decisions = desk.decide(token)
    desk.clock.advance(1.0)
    desk.pending.pop(0).callback(alice)
    assert decisions[0].reason == DenialReason.IDENTITY_NOT_MAPPED


def test_an_unmapped_identity_is_not_cached_beyond_a_rules_limit(
    make: Any, rules: Any, token: str, alice: CallerIdentity
) -> None:
    """The cache of unmapped identities ends whenever a rule begins or ends."""
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
    """If the rule ends during the look-up of the instance's name, the token is refused."""
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
