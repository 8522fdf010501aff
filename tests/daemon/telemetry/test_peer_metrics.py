"""Metrics under the names of aws-iam-authenticator."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail

from authd.core.decision import ALLOWED
from authd.core.errors import DenialReason, Unavailable, UnavailableReason
from authd.daemon.telemetry.metrics import Metrics
from authd.daemon.telemetry.prometheus import render
from authd.daemon.telemetry.sts_calls import MeasuredSTS
from tests.daemon.fakes import decision, presigned

LATENCY = "aws_iam_authenticator_authenticate_latency_seconds"


def figures(metrics: Metrics) -> dict[str, float]:
    lines = [
        line
        for line in render([*metrics.families, *metrics.peer.webhook_families]).decode().splitlines()
        if not line.startswith("#")
    ]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


@pytest.mark.parametrize(
    ("reason", "result"),
    [
        (ALLOWED, "success"),
        (DenialReason.MALFORMED_TOKEN, "invalid_token"),
        (DenialReason.SIGNATURE_MISMATCH, "sts_error"),
        (DenialReason.IDENTITY_NOT_MAPPED, "uknown_user"),
        (UnavailableReason.STS_THROTTLED, "sts_throttling"),
        (UnavailableReason.STS_TIMEOUT, "sts_error"),
    ],
)
def test_each_decision_has_a_result(reason: str, result: str) -> None:
    """A decision is counted by aws-iam-authenticator's result for it."""
    metrics = Metrics()
    metrics.decided(decision(reason), 0.2)
    counted = figures(metrics)
    assert counted[f'{LATENCY}_count{{result="{result}"}}'] == 1
    assert counted[f'{LATENCY}_bucket{{le="0.25",result="{result}"}}'] == 1
    assert sum(value for name, value in counted.items() if name.startswith(f"{LATENCY}_count")) == 1


def test_an_invalid_request_is_malformed() -> None:
    """A request that is not a TokenReview is malformed."""
    metrics = Metrics()
    metrics.refused(404)
    assert figures(metrics)[f'{LATENCY}_count{{result="malformed_request"}}'] == 1


def test_responses() -> None:
    """Responses are counted by status. Throttling and failed connections have counters from the start."""
    metrics = Metrics()
    assert figures(metrics)["aws_iam_authenticator_sts_connection_failures_total"] == 0
    assert figures(metrics)["aws_iam_authenticator_sts_throttling_total"] == 0
    metrics.peer.responded(200)
    metrics.peer.responded(403)
    for reason in (
        UnavailableReason.STS_THROTTLED,
        UnavailableReason.STS_UNREACHABLE,
        UnavailableReason.STS_BAD_ANSWER,
    ):
        error = Unavailable(reason, "no")
        measured = MeasuredSTS(lambda _, error=error: fail(error), metrics, lambda: False)
        Deferred.fromCoroutine(measured(presigned())).addErrback(lambda _: None)
    counted = figures(metrics)
    assert counted['aws_iam_authenticator_sts_responses_total{ResponseCode="200"}'] == 1
    assert counted['aws_iam_authenticator_sts_responses_total{ResponseCode="403"}'] == 1
    assert counted["aws_iam_authenticator_sts_throttling_total"] == 1
    assert counted["aws_iam_authenticator_sts_connection_failures_total"] == 1
