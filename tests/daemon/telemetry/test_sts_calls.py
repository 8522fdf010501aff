"""Calls to STS are measured."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import LogEvent, globalLogPublisher

from authd.core.caller_identity import CallerIdentity
from authd.core.errors import Unavailable, UnavailableReason
from authd.daemon.telemetry.metrics import Metrics
from authd.daemon.telemetry.sts_calls import MeasuredSTS
from tests.daemon.fakes import identity, presigned


def test_success_and_failure_are_measured() -> None:
    """The result or the error is passed on, and each call is one observation."""
    metrics = Metrics()
    failure = Unavailable(UnavailableReason.STS_TIMEOUT, "late")
    answers: list[Deferred[CallerIdentity]] = [succeed(identity()), fail(failure)]
    measured = MeasuredSTS(lambda _: answers.pop(0), metrics, lambda: False)
    assert Deferred.fromCoroutine(measured(presigned())).result == identity()
    ended = Deferred.fromCoroutine(measured(presigned()))
    ended.addErrback(lambda reason: reason.value)
    assert ended.result is failure
    assert metrics.sts_durations.buckets[-1] == ("+Inf", 2.0)
    assert pytest.approx(metrics.sts_durations.total, abs=5) == 0


@pytest.mark.parametrize("is_debug", [False, True])
def test_a_call_is_logged_only_at_debug(is_debug: bool) -> None:
    """At other levels, no event is created."""
    events: list[LogEvent] = []
    measured = MeasuredSTS(lambda _: succeed(identity()), Metrics(), lambda: is_debug)
    globalLogPublisher.addObserver(events.append)
    try:
        Deferred.fromCoroutine(measured(presigned()))
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert [event["outcome"] for event in events] == (["ok"] if is_debug else [])
