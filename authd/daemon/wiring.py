"""Builds the daemon's parts from its settings, and connects them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from authd.authentication.authenticator import Authenticator
from authd.authentication.call_limiter import CallLimiter
from authd.authentication.circuit_breaker import CircuitBreakers
from authd.authentication.verdict_cache import VerdictCache
from authd.aws.instance_names import InstanceNames
from authd.config.settings import Settings
from authd.core.errors import ConfigError, Problem
from authd.core.token import PresignedTokens
from authd.core.token_review import ReviewEncoder
from authd.daemon.certificates.serving_certificate import ServingCertificate
from authd.daemon.certificates.webhook_kubeconfig import WebhookKubeconfig
from authd.daemon.event_loop import Turns
from authd.daemon.gauges import publish_caches, publish_calls
from authd.daemon.health import Check, exposition
from authd.daemon.listener import WebhookListener
from authd.daemon.status.report import StatusReport
from authd.daemon.status.server import Query
from authd.daemon.sts.setup import STSAccess
from authd.daemon.telemetry.audit_log import AuditLog
from authd.daemon.telemetry.decision_log import DecisionLog
from authd.daemon.telemetry.log_output import LogOutput
from authd.daemon.telemetry.metrics import Metrics
from authd.daemon.telemetry.recent_decisions import RecentDecisions
from authd.daemon.telemetry.sts_calls import MeasuredSTS, RecentDurations
from authd.daemon.tracing.tracing import Tracing, tracing_of
from authd.daemon.webhook import WebhookFactory
from authd.sources.in_force import InForce
from authd.sources.lockout_guard import SeenIdentities
from authd.sources.mounted_file import MountedFile
from authd.sources.source import Source
from authd.state.certificate_store import StateFiles


def wall_clock() -> datetime:
    """Return the current time in UTC, for the validity of certificates."""
    return datetime.fromtimestamp(time.time(), UTC)


def serving_certificate(settings: Settings) -> ServingCertificate:
    """Load the certificate that the webhook serves, or create it. Raises `ConfigError`."""
    files = StateFiles(folder=Path(settings.state_dir))
    certificate = ServingCertificate(
        files, settings.own_names, wall_clock, client_certificates=settings.require_client_certificate
    )
    if not settings.kubeconfig_pregenerated:
        certificate.repair_ca()
    certificate.load()
    return certificate


def webhook_kubeconfig(
    settings: Settings, port: int, certificate: ServingCertificate, metrics: Metrics
) -> WebhookKubeconfig:
    """Return the kubeconfig for kube-apiserver. `port` is the bound port, for settings with port 0."""
    kubeconfig = WebhookKubeconfig(
        settings,
        StateFiles(folder=Path(settings.state_dir)),
        settings.port or port,
        trusted=lambda: certificate.trusted_pem,
        served=lambda: certificate.certificate_pem,
        now=wall_clock,
    )
    metrics.gauge(
        "authd_kubeconfig_problems",
        "1 if the webhook kubeconfig is outdated or does not trust the certificate in force.",
        lambda: bool(kubeconfig.problem()),
    )
    return kubeconfig


class Reviews(NamedTuple):
    """The webhook's factory, and the parts whose state is published."""

    factory: WebhookFactory
    limiter: CallLimiter
    breakers: CircuitBreakers
    cache: VerdictCache
    decisions: DecisionLog
    audit: AuditLog | None
    recent: RecentDecisions
    durations: RecentDurations
    tracing: Tracing


def webhook(
    reactor: Any,
    in_force: InForce,
    sts: STSAccess,
    names: InstanceNames,
    *,
    metrics: Metrics,
    seen: SeenIdentities,
    output: LogOutput,
    is_debug: Callable[[], bool],
    turns: Turns,
) -> Reviews:
    """Connect the authenticator to STS, the mapping tables and the log."""
    settings = in_force.settings
    limiter = CallLimiter(clock=reactor, concurrency=settings.sts.concurrency, rate=settings.sts.calls_per_second)
    breakers = CircuitBreakers(seconds=reactor.seconds)
    cache = VerdictCache(
        seconds=reactor.seconds, cache_ttl=settings.sts.cache_ttl, stale_if_error=settings.sts.stale_if_error
    )
    publish_calls(metrics, limiter, breakers, sts.hosts.named)
    publish_caches(metrics, cache)
    tracing = tracing_of(reactor, in_force, metrics)
    sts.client.on_response = tracing.of_responses(metrics.peer.responded)
    names.called = partial(metrics.peer.count, "ec2_describe_instances_calls")
    measured = MeasuredSTS(sts.client.ask, metrics, is_debug)
    authenticator = Authenticator(
        tokens=PresignedTokens(hosts=sts.hosts, max_length=settings.max_token_length),
        ask_sts=tracing.of_calls(measured),
        tables=lambda: in_force.tables,
        now=time.time,
        limiter=limiter,
        breakers=breakers,
        verdict_cache=cache,
        audiences=settings.audiences,
        observer=metrics,
        instance_name=tracing.of_names(names.name),
    )
    audit = _audit_log(settings, metrics)
    recent = RecentDecisions(reactor.seconds)
    decisions = DecisionLog(
        lambda: in_force.settings.scrubbed_accounts, metrics, seen, output, audit=audit, recent=recent
    )
    factory = WebhookFactory(
        reactor,
        tracing.of_reviews(authenticator),
        decisions,
        lambda: _encoder(in_force.settings),
        metrics=partial(exposition, metrics, metrics.peer.webhook_families) if settings.webhook_metrics else None,
        turns=turns,
    )
    metrics.gauge("authd_reviews_in_flight", "Reviews that are not answered yet.", lambda: factory.under_review)
    return Reviews(factory, limiter, breakers, cache, decisions, audit, recent, measured.recent, tracing)


def _audit_log(settings: Settings, metrics: Metrics) -> AuditLog | None:
    """Open the audit log of the settings. Raises `ConfigError` if the file can't be opened."""
    if not settings.audit_log:
        return None
    audit = AuditLog(Path(settings.audit_log), settings.audit_log_max_megabytes * 1_000_000)
    try:
        audit.open()
    except OSError as error:
        message = f"server.auditLog can't be opened: {error.strerror}; create its folder for the daemon's user"
        raise ConfigError((Problem(file=settings.audit_log, line=0, column=0, message=message),)) from None
    metrics.total(
        "authd_audit_records_lost",
        "Audit records that were dropped because they could not be written.",
        lambda: audit.lost,
    )
    return audit


def _encoder(settings: Settings) -> ReviewEncoder:
    return ReviewEncoder(user_extra=settings.user_extra, scrubbed_accounts=settings.scrubbed_accounts)


def status_queries(
    file: MountedFile,
    sources: tuple[Source, ...],
    reviews: Reviews,
    *,
    path: Path | None,
    checks: tuple[Check, ...],
    certificate: ServingCertificate,
    listener: WebhookListener,
    metrics: Metrics,
) -> dict[str, Callable[[Query], object]]:
    """Return the queries of the status socket by their names."""
    report = StatusReport(
        file=str(path or ""),
        digest=lambda: file.digest,
        in_force=file.in_force,
        sources=sources,
        limiter=reviews.limiter,
        breakers=reviews.breakers,
        cache=reviews.cache,
        durations=reviews.durations,
        decisions=reviews.recent,
        problems=lambda: {check.name: fault for check in checks if (fault := check.problem() or check.warning())},
        certificate_days_left=lambda: certificate.days_left,
        connections=lambda: listener.connections,
        under_review=lambda: reviews.factory.under_review,
        last_review=lambda: metrics.last_review,
    )
    return {
        "status": report.status,
        "settings": report.settings,
        "explain": report.explain,
        "refusals": report.refusals,
        "force": report.force,
    }
