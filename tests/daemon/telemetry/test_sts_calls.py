"""Calls to STS are measured, whatever their outcome."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from authd.core.caller_identity import CallerIdentity
from authd.core.errors import Unavailable, UnavailableReason
from authd.daemon.telemetry.metrics import Metrics
from authd.daemon.telemetry.sts_calls import MeasuredSTS
from tests.daemon.fakes import identity, presigned


def test_success_and_failure_are_observed() -> None:
    """The result or the error passes through, and each call is one observation."""
    metrics = Metrics()
    failure = Unavailable(UnavailableReason.STS_TIMEOUT, "late")
    answers: list[Deferred[CallerIdentity]] = [succeed(identity()), fail(failure)]
    measured = MeasuredSTS(lambda _: answers.pop(0), metrics)
    assert Deferred.fromCoroutine(measured(presigned())).result == identity()
    ended = Deferred.fromCoroutine(measured(presigned()))
    ended.addErrback(lambda reason: reason.value)
    assert ended.result is failure
    assert metrics.sts_durations.buckets[-1] == ("+Inf", 2.0)
    assert pytest.approx(metrics.sts_durations.total, abs=5) == 0
