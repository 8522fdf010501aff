"""Metrics with fixed names and labels."""

from __future__ import annotations

import time
from typing import Any

import pytest
from twisted.internet.task import Clock

from authd.authentication.call_limiter import CallLimiter
from authd.authentication.circuit_breaker import FAILURES_TO_OPEN, CircuitBreakers
from authd.core.decision import ALLOWED, Source
from authd.core.errors import DenialReason, Unavailable, UnavailableReason
from authd.daemon.gauges import publish_calls
from authd.daemon.telemetry.metrics import Metrics
from authd.daemon.telemetry.prometheus import render
from tests.daemon.fakes import decision


def figures(metrics: Metrics) -> dict[str, float]:
    lines = [line for line in render(metrics.families).decode().splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_every_series_exists_from_the_start() -> None:
    """Each reason, source, outcome, status and result has a series before it first occurs, so that rates work."""
    names = set(figures(Metrics()))
    for reason in (ALLOWED, *DenialReason, *UnavailableReason):
        assert f'authd_decisions_total{{reason="{reason}"}}' in names
    for source in Source:
        assert f'authd_identities_total{{source="{source}"}}' in names
    for outcome in ("ok", *DenialReason, *UnavailableReason):
        assert f'authd_sts_calls_total{{outcome="{outcome}"}}' in names
    for result in ("ok", "broken", "refused"):
        assert f'authd_reloads_total{{result="{result}"}}' in names


def test_no_series_is_added_by_use() -> None:
    """No event adds a label."""
    metrics = Metrics()
    names = set(figures(metrics))
    for reason in (ALLOWED, *DenialReason, *UnavailableReason):
        metrics.decided(decision(reason), 0.2)
        metrics.sts_called("ok" if reason == ALLOWED else reason)
    metrics.reloaded("broken")
    metrics.refused(404)
    assert set(figures(metrics)) == names
    with pytest.raises(KeyError):
        metrics.sts_called("a-token")


def test_hosts_that_only_tokens_name_are_no_labels() -> None:
    """A failing host of an invented region is counted, but has no series of its own."""
    metrics, clock = Metrics(), Clock()
    breakers = CircuitBreakers(seconds=clock.seconds)
    publish_calls(
        metrics, CallLimiter(clock=clock, concurrency=1, rate=1.0), breakers, frozenset({"sts.amazonaws.com"})
    )
    for host in ("sts.amazonaws.com", "sts.us-invented-1.amazonaws.com"):
        for _ in range(FAILURES_TO_OPEN):
            breakers.ended(breakers.enter(host, known=False), Unavailable(UnavailableReason.STS_UNREACHABLE, ""))
    counted = figures(metrics)
    assert counted["authd_sts_circuits_open"] == 2
    assert [name for name in counted if "sts_host" in name] == ['authd_sts_circuit_open{sts_host="sts.amazonaws.com"}']


def test_reviews_have_one_of_three_outcomes() -> None:
    """Each reason counts as an outcome, and the outcomes add up to the decisions."""
    metrics = Metrics()
    for reason in (ALLOWED, *DenialReason, *UnavailableReason):
        metrics.decided(decision(reason), 0.2)
    counted = figures(metrics)
    outcomes = {
        name: counted[f'authd_reviews_total{{outcome="{name}"}}'] for name in ("allowed", "denied", "unavailable")
    }
    assert outcomes == {"allowed": 1, "denied": len(DenialReason), "unavailable": len(UnavailableReason)}


def test_reloads_by_source() -> None:
    """Each source has a series for each result from its start. The total counts all sources."""
    metrics = Metrics()
    reloaded = metrics.reloads_of("CRD")
    metrics.reloads_of("MountedFile")("ok")
    reloaded("broken")
    metrics.reloads_of("CRD")
    counted = figures(metrics)
    by_source = {name: value for name, value in counted.items() if name.startswith("authd_source_reloads_total")}
    assert len(by_source) == 6
    assert sum(by_source.values()) == 2
    assert by_source['authd_source_reloads_total{result="broken",source="CRD"}'] == 1
    assert (counted['authd_reloads_total{result="ok"}'], counted['authd_reloads_total{result="broken"}']) == (1, 1)


def test_a_gauge_is_read_at_each_scrape() -> None:
    """A gauge has its value at the time of the scrape."""
    metrics = Metrics()
    values = [1.0]
    metrics.gauge("authd_test", "A test.", lambda: values[0])
    assert figures(metrics)["authd_test"] == 1
    values[0] = 2.5
    assert figures(metrics)["authd_test"] == 2.5


def test_metrics_are_independent_objects() -> None:
    """Two `Metrics` objects in one process don't share counts."""
    one, other = Metrics(), Metrics()
    one.decided(decision(ALLOWED), 0.001)
    assert figures(one)["authd_review_seconds_count"] == 1
    assert figures(other)["authd_review_seconds_count"] == 0


def test_the_process_has_metrics_without_proc_stat(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process's metrics exist even if `ProcSubset=pid` of the unit hides /proc/stat."""
    real_open = open

    def limited(path: Any, *arguments: Any, **options: Any) -> Any:
        if str(path) == "/proc/stat":
            raise FileNotFoundError(path)
        return real_open(path, *arguments, **options)

    monkeypatch.setattr("builtins.open", limited)
    found = figures(Metrics())
    assert found["process_resident_memory_bytes"] > 1e6
    assert abs(found["process_start_time_seconds"] - time.time()) < 86_400
