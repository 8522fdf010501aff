"""One record per decision, with stable field names and without scrubbed accounts."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from authd.core.access_key import key_account
from authd.core.caller_identity import CallerIdentity
from authd.core.decision import ALLOWED, Decision, Source
from authd.core.errors import DenialReason, UnavailableReason
from authd.core.kubernetes_user import KubernetesUser
from authd.core.trace_context import TraceContext
from authd.daemon.telemetry.decision_log import DecisionLog
from authd.daemon.telemetry.log_output import log_observer
from authd.daemon.telemetry.metrics import Metrics
from authd.daemon.telemetry.prometheus import render as render_metrics
from authd.sources.lockout_guard import SeenIdentities
from tests.daemon.fakes import ALICE_ARN, decision, identity, presigned

ACCOUNT = "111122223333"
DIGEST = "0123456789abcdef" * 4
#: Fields that users' queries name. Renaming or removing one is an incompatible change.
EVERY_RECORD = (
    "time", "level", "logger", "message", "decision", "reason", "reference", "token", "sts_host", "elapsed_ms", "status"
)  # fmt: skip
WITH_IDENTITY = (
    *EVERY_RECORD, "source", "sts_request_id", "arn", "canonical_arn", "account", "principal_id", "uid", "rule",
)  # fmt: skip
ALLOWED_RECORD = (*WITH_IDENTITY, "access_key_id", "signed_at", "username", "groups")

TRACED = ("trace_id", "span_id")
TRACE = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)


class Audited:
    """A decision log, and the lines that it has written."""

    def __init__(self) -> None:
        self.scrubbed: frozenset[str] = frozenset()
        self.metrics = Metrics()
        self.seen = SeenIdentities(Clock().seconds)
        self.audit = DecisionLog(lambda: self.scrubbed, self.metrics, self.seen)

    def lines(self, decided: Decision, elapsed: float = 0.0125, status: int = 200) -> tuple[dict[str, Any], str]:
        """Record a decision, and return its JSON line and its text line."""
        with capturedLogs() as events:
            self.audit.decided(decided, elapsed, status)
        (event,) = events
        return json.loads(render(event, "json")), render(event, "text")


def render(event: Any, log_format: str) -> str:
    out = io.StringIO()
    log_observer(out, log_format)(event)
    return out.getvalue()


@pytest.fixture
def audited() -> Audited:
    return Audited()


def accepted(who: CallerIdentity | None = None, groups: tuple[str, ...] = ("devs",)) -> Decision:
    who = who or identity()
    return Decision(
        reason=ALLOWED,
        message="",
        reference="0a1b2c3d",
        token_digest=DIGEST,
        host="sts.us-east-1.amazonaws.com",
        user=KubernetesUser(username=f"alice-{who.arn.account}", groups=groups, rule="config.yaml:1:1"),
        identity=who,
        source=Source.CACHE,
        request=presigned(),
        rule="config.yaml:1:1",
    )


def test_an_accepted_token_has_a_full_record(audited: Audited) -> None:
    """The record of an accepted token has every field that an auditor needs, under a stable name."""
    line, text = audited.lines(accepted())
    assert line.pop("time")
    assert line.pop("logger")
    assert {name: value for name, value in line.items() if name != "message"} == {
        "level": "info",
        "decision": "allowed",
        "reason": "allowed",
        "reference": "0a1b2c3d",
        "token": DIGEST[:12],
        "source": "cache",
        "sts_host": "sts.us-east-1.amazonaws.com",
        "sts_request_id": "request-1",
        "arn": ALICE_ARN,
        "canonical_arn": ALICE_ARN,
        "account": ACCOUNT,
        "username": f"alice-{ACCOUNT}",
        "groups": ["devs"],
        "access_key_id": "AKIAEXAMPLE000000000",
        "signed_at": "2024-01-01T00:00:00Z",
        "principal_id": "AIDAEXAMPLE",
        "uid": f"aws-iam-authenticator:{ACCOUNT}:AIDAEXAMPLE",
        "rule": "config.yaml:1:1",
        "elapsed_ms": 12.5,
        "status": 200,
    }
    for part in ("allowed", "0a1b2c3d", ALICE_ARN, f"alice-{ACCOUNT}"):
        assert part in text
    assert DIGEST not in text


@pytest.mark.parametrize(
    ("decided", "status", "fields"),
    [
        (accepted(), 200, ALLOWED_RECORD),
        (decision(DenialReason.IDENTITY_NOT_MAPPED, "no", identity()), 200, WITH_IDENTITY),
        (decision(DenialReason.MALFORMED_TOKEN, "no"), 200, EVERY_RECORD),
        (decision(UnavailableReason.STS_TIMEOUT, "later"), 504, EVERY_RECORD),
        (accepted()._replace(trace=TRACE), 200, (*ALLOWED_RECORD, *TRACED)),
        (decision(DenialReason.FOREIGN_TOKEN)._replace(trace=TRACE), 200, (*EVERY_RECORD, *TRACED)),
    ],
    ids=["allowed", "denied with an identity", "denied without one", "unavailable", "traced", "traced denial"],
)
def test_the_fields_of_a_decision_are_fixed(
    audited: Audited, decided: Decision, status: int, fields: tuple[str, ...]
) -> None:
    """A record has exactly the documented fields, under a fixed logger name."""
    line, _ = audited.lines(decided, status=status)
    assert sorted(line) == sorted(fields)
    assert line["logger"] == "authd.decisions"


def test_the_trace_is_that_of_the_request(audited: Audited) -> None:
    """The IDs of the trace and its span are fields of the line, in JSON and as text."""
    line, text = audited.lines(accepted()._replace(trace=TRACE))
    assert (line["trace_id"], line["span_id"]) == TRACE[:2]
    assert f"trace_id={TRACE.trace_id} span_id={TRACE.span_id}" in text


@pytest.mark.parametrize(
    ("reason", "status", "verdict"),
    [
        (DenialReason.MALFORMED_TOKEN, 200, "denied"),
        (DenialReason.IDENTITY_NOT_MAPPED, 200, "denied"),
        (UnavailableReason.STS_TIMEOUT, 504, "unavailable"),
        (UnavailableReason.OVERLOADED, 503, "unavailable"),
    ],
)
def test_a_refusal_is_a_warning_with_its_reason(audited: Audited, reason: str, status: int, verdict: str) -> None:
    """The record of a refusal distinguishes a denial from an outage, and has the message of the response."""
    line, text = audited.lines(decision(reason, "because of a test"), status=status)
    assert (line["level"], line["decision"], line["reason"], line["status"]) == ("warn", verdict, reason, status)
    assert "because of a test" in json.dumps(line)
    assert "because of a test" in text


def test_a_scrubbed_account_is_in_no_line(audited: Audited) -> None:
    """A scrubbed account appears in no line, in any spelling."""
    audited.scrubbed = frozenset({ACCOUNT})
    who = identity(f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/{ACCOUNT}", principal_id="AROAEXAMPLE")
    for decided in (accepted(who, ("devs", f"of-{ACCOUNT}")), decision(DenialReason.IDENTITY_NOT_MAPPED, "no", who)):
        line, text = audited.lines(decided)
        assert ACCOUNT not in json.dumps(line)
        assert ACCOUNT not in text
        assert line["account"] == "(scrubbed)"
    assert audited.lines(accepted(identity("arn:aws:iam::444455556666:user/bob")))[0]["account"] == "444455556666"


def test_names_in_an_identity_cannot_forge_a_line(audited: Audited) -> None:
    """Braces in names are written unchanged, and never used as a format."""
    who = identity("arn:aws:iam::111122223333:user/{log_source}/x", principal_id="AIDA")
    line, text = audited.lines(accepted(who, ("{log_level}", "%s")))
    assert line["arn"].endswith("user/{log_source}/x")
    assert "{log_source}" in text
    assert text.count("\n") == 1


def test_only_accepted_identities_are_noted(audited: Audited) -> None:
    """The lock-out guard notes only accepted identities."""
    audited.lines(decision(DenialReason.IDENTITY_NOT_MAPPED, "no", identity("arn:aws:iam::111122223333:user/mallory")))
    assert list(audited.seen._seen) == []
    audited.lines(accepted())
    assert list(audited.seen._seen) == [ALICE_ARN]


def test_a_scrubbed_key_is_in_no_line(audited: Audited) -> None:
    """A key ID encodes its account, so it is scrubbed for a scrubbed account, even if STS has not confirmed it."""
    key = "ASIAIIIRARCEMZ2OQH6A"  # a made-up key of account 022266779920 in AWS's encoding
    request = presigned()._replace(access_key_id=key)
    refused = decision(DenialReason.SIGNATURE_MISMATCH)._replace(request=request)
    assert audited.lines(refused)[0]["access_key_id"] == key
    audited.scrubbed = frozenset({key_account(key)})
    line, text = audited.lines(refused)
    assert line["access_key_id"] == "(scrubbed)"
    assert key not in text


def test_a_flood_does_not_displace_confirmed_identities(audited: Audited) -> None:
    """In a flood of foreign tokens most lines are omitted and counted. Each confirmed identity is logged."""
    with capturedLogs() as events:
        for _ in range(1_000):
            audited.audit.decided(decision(DenialReason.FOREIGN_TOKEN), 0.001, 200)
            audited.audit.decided(accepted(), 0.001, 200)
        audited.audit.report_omitted()
    lines = [json.loads(render(event, "json")) for event in events]
    strangers = [line for line in lines if line.get("reason") == "foreign_token" and "decision" in line]
    assert len([line for line in lines if line.get("decision") == "allowed"]) == 1_000
    assert 100 <= len(strangers) < 1_000
    assert sum(line.get("omitted", 0) for line in lines) == 1_000 - len(strangers)
    assert 'authd_decisions_total{reason="foreign_token"} 1000.0' in render_metrics(audited.metrics.families).decode()


def test_everything_is_counted(audited: Audited) -> None:
    """Each decision and each request that is not a TokenReview is counted by its reason or status."""
    audited.lines(accepted())
    audited.lines(decision(UnavailableReason.STS_TIMEOUT), status=504)
    with capturedLogs() as events:
        audited.audit.refused(413, "too long")
    assert [event["log_level"].name for event in events] == ["warn"]
    figures = render_metrics(audited.metrics.families).decode()
    for line in (
        'authd_decisions_total{reason="allowed"} 1.0',
        'authd_decisions_total{reason="sts_timeout"} 1.0',
        'authd_identities_total{source="cache"} 1.0',
        'authd_refused_requests_total{status="413"} 1.0',
        "authd_review_seconds_count 2.0",
    ):
        assert line in figures


def test_a_flood_of_invalid_requests_is_a_few_lines(audited: Audited, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few lines are written, all requests are counted, and the next line has the number of omitted ones."""
    now = [0.0]
    monkeypatch.setattr("authd.daemon.telemetry.decision_log.time.monotonic", lambda: now[0])
    audited = Audited()
    with capturedLogs() as events:
        for _ in range(1_000):
            audited.audit.refused(404, "no such path")
    assert len(events) == 20
    now[0] = 1.0
    with capturedLogs() as events:
        audited.audit.refused(404, "no such path")
    assert [render(event, "text").count("980 more requests") for event in events] == [1, 0]
