"""Gauges of the calls to STS: slots, circuits, budgets and cached verdicts."""

from __future__ import annotations

from authd.authentication.call_limiter import CallLimiter
from authd.authentication.circuit_breaker import CircuitBreakers
from authd.authentication.verdict_cache import VerdictCache
from authd.daemon.telemetry.metrics import Counter, LabelledGauge, Metrics


def publish_calls(metrics: Metrics, limiter: CallLimiter, breakers: CircuitBreakers) -> None:
    """Add the gauges of calls, circuits and budgets."""
    metrics.gauge("authd_sts_calls_in_flight", "Calls to STS under way.", lambda: limiter.in_flight)
    metrics.gauge("authd_sts_calls_waiting", "Calls to STS that wait for a free slot.", lambda: limiter.waiting)
    metrics.gauge("authd_sts_circuits_open", "STS hosts that keep failing.", lambda: breakers.open_count)
    metrics.families += [
        LabelledGauge(
            name="authd_sts_circuit_open",
            help_text="STS hosts whose circuit is open now.",
            label="sts_host",
            values=lambda: dict.fromkeys(breakers.failing(), 1.0),
        ),
        LabelledGauge(
            name="authd_sts_call_budget",
            help_text="Calls that may start at once, in total and for callers without a good standing.",
            label="budget",
            values=limiter.budgets,
        ),
    ]
    metrics.gauge("authd_known_keys", "Access keys that STS has confirmed lately.", lambda: limiter.keys()[0])
    metrics.gauge("authd_exhausted_keys", "Known access keys whose budget is used up.", lambda: limiter.keys()[1])


def publish_caches(metrics: Metrics, cache: VerdictCache) -> None:
    """Add entries and hits of the cached verdicts by kind."""
    hits = Counter("authd_cache_hits", "Reviews that were decided by a cached verdict, by kind.", "kind", cache.hits)
    hits.by_value = cache.hits
    entries = LabelledGauge(
        name="authd_cache_entries",
        help_text="Tokens with a cached verdict of STS, by kind.",
        label="kind",
        values=lambda: {kind: state.entries for kind, state in cache.state().items()},
    )
    metrics.families += [hits, entries]
