"""Publishes gauges of STS calls, cached verdicts, the certificate, mappings and connections."""

from __future__ import annotations

import platform
from functools import partial

from OpenSSL import SSL

import twisted
from authd import __version__
from authd.authentication.call_limiter import CallLimiter
from authd.authentication.circuit_breaker import CircuitBreakers
from authd.authentication.verdict_cache import VerdictCache
from authd.daemon.certificates.serving_certificate import ServingCertificate
from authd.daemon.listener import WebhookListener
from authd.daemon.status.rule_times import ended_rules, next_ends
from authd.daemon.telemetry.metrics import Counter, Info, LabelledGauge, Metrics
from authd.daemon.telemetry.reactor_lag import ReactorLag
from authd.sources.in_force import InForce
from authd.sources.source import Source


def publish_calls(
    metrics: Metrics, limiter: CallLimiter, breakers: CircuitBreakers, named_hosts: frozenset[str]
) -> None:
    """Add the gauges of calls, circuit breakers and budgets. Only `named_hosts` are values of a label."""
    metrics.gauge("authd_sts_calls_in_flight", "Calls to STS under way.", lambda: limiter.in_flight)
    metrics.gauge("authd_sts_calls_waiting", "Calls to STS that wait for a free slot.", lambda: limiter.waiting)
    metrics.gauge("authd_sts_circuits_open", "STS hosts that keep failing.", lambda: breakers.open_count)
    metrics.families += [
        LabelledGauge(
            name="authd_sts_circuit_open",
            help_text="STS hosts whose circuit is open now.",
            label="sts_host",
            values=lambda: dict.fromkeys(named_hosts & breakers.failing().keys(), 1.0),
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


def _publish_build(metrics: Metrics) -> None:
    """Add the versions of authd and its runtime."""
    labels = {
        "version": __version__,
        "python": platform.python_version(),
        "twisted": twisted.__version__,
        "openssl": SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode(),
    }
    metrics.families.append(
        Info(name="authd_build_info", help_text="The versions of authd and its runtime.", labels=labels)
    )


def publish_state(metrics: Metrics, in_force: InForce, sources: tuple[Source, ...], pair: ServingCertificate) -> None:
    """Add the gauges of certificate and mappings."""
    metrics.gauge(
        "authd_certificate_expiry_seconds",
        "Seconds until the certificate or its CA ends, negative if it has ended or is not valid yet.",
        lambda: pair.days_left * 86_400,
    )
    _publish_build(metrics)
    _publish_sources(metrics, in_force)
    metrics.gauge("authd_mapping_rules", "Mappings in force.", lambda: len(in_force.tables))
    metrics.gauge(
        "authd_settings_problems",
        "Problems of the settings file and of the other sources of mappings.",
        lambda: sum(len(source.problems) for source in sources),
    )


def _publish_sources(metrics: Metrics, in_force: InForce) -> None:
    metrics.families += [
        LabelledGauge(
            name="authd_source_rules",
            help_text="Mappings in force by source.",
            label="source",
            values=lambda: {source: len(table) for source, table in in_force.tables.tables},
        ),
        LabelledGauge(
            name="authd_source_changed_timestamp_seconds",
            help_text="Unix time of the last change of a source's mappings, 0 before the first.",
            label="source",
            values=lambda: in_force.changed,
        ),
        LabelledGauge(
            name="authd_source_next_end_timestamp_seconds",
            help_text="Unix time at which the next mapping of a source ends by its validUntil.",
            label="source",
            values=partial(next_ends, in_force),
        ),
        LabelledGauge(
            name="authd_source_ended_rules",
            help_text="Mappings of a source that have ended by their validUntil.",
            label="source",
            values=partial(ended_rules, in_force),
        ),
    ]


def publish_load(metrics: Metrics, listener: WebhookListener, lag: ReactorLag) -> None:
    """Add the gauges of connections and of the reactor."""
    metrics.gauge("authd_connections", "Open connections to the webhook.", lambda: listener.connections)
    metrics.gauge(
        "authd_reactor_lag_seconds",
        "The largest delay of a timer in the last half minute.",
        lambda: lag.largest,
    )
