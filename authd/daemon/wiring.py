"""Builds the daemon's parts from its settings, and connects them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from authd.authentication.authenticator import Authenticator
from authd.authentication.call_limiter import CallLimiter
from authd.authentication.circuit_breaker import CircuitBreakers
from authd.authentication.verdict_cache import VerdictCache
from authd.aws.instance_names import InstanceNames
from authd.config.settings import Settings
from authd.core.token import PresignedTokens
from authd.core.token_review import ReviewEncoder
from authd.daemon.certificates.serving_certificate import ServingCertificate
from authd.daemon.certificates.webhook_kubeconfig import WebhookKubeconfig
from authd.daemon.health import Check, exposition
from authd.daemon.sts.setup import STSAccess
from authd.daemon.telemetry.decision_log import DecisionLog
from authd.daemon.telemetry.log_output import LogOutput
from authd.daemon.telemetry.metrics import Metrics
from authd.daemon.webhook import WebhookFactory
from authd.sources.in_force import InForce
from authd.sources.lockout_guard import SeenIdentities
from authd.sources.source import Source
from authd.state.certificate_store import StateFiles


def wall_clock() -> datetime:
    """Return the time that certificates are judged by, in UTC."""
    return datetime.fromtimestamp(time.time(), UTC)


def serving_certificate(settings: Settings) -> ServingCertificate:
    """Load the certificate that the webhook serves, or create it. Raises `ConfigError`."""
    files = StateFiles(folder=Path(settings.state_dir))
    certificate = ServingCertificate(
        files, settings.own_names, wall_clock, client_certificates=settings.require_client_certificate
    )
    if not settings.kubeconfig_pregenerated:
        certificate.mend_authority()
    certificate.load()
    return certificate


def webhook_kubeconfig(settings: Settings, port: int, certificate: ServingCertificate) -> WebhookKubeconfig:
    """Return the kubeconfig for kube-apiserver; `port` is the one that is bound, for settings with port 0."""
    files = StateFiles(folder=Path(settings.state_dir))
    return WebhookKubeconfig(
        settings, files, settings.port or port, trusted=lambda: certificate.trusted_pem, now=wall_clock
    )


def webhook(
    reactor: Any,
    in_force: InForce,
    sts: STSAccess,
    names: InstanceNames,
    *,
    metrics: Metrics,
    seen: SeenIdentities,
    output: LogOutput,
) -> WebhookFactory:
    """Connect the authenticator to STS, the mapping tables and the log."""
    settings = in_force.settings
    limiter = CallLimiter(clock=reactor, concurrency=settings.sts.concurrency, rate=settings.sts.calls_per_second)
    breakers = CircuitBreakers(seconds=reactor.seconds)
    metrics.gauge("authd_sts_calls_in_flight", "Calls to STS under way.", lambda: limiter.in_flight)
    metrics.gauge("authd_sts_calls_waiting", "Calls to STS that wait for a free slot.", lambda: limiter.waiting)
    metrics.gauge("authd_sts_circuits_open", "STS hosts that keep failing.", lambda: breakers.open_count)
    authenticator = Authenticator(
        tokens=PresignedTokens(hosts=sts.hosts, max_length=settings.max_token_length),
        ask_sts=sts.client.ask,
        tables=lambda: in_force.tables,
        now=time.time,
        limiter=limiter,
        breakers=breakers,
        verdict_cache=VerdictCache(
            seconds=reactor.seconds,
            cache_ttl=settings.sts.cache_ttl,
            stale_if_error=settings.sts.stale_if_error,
        ),
        audiences=settings.audiences,
        observer=metrics,
        instance_name=names.name,
    )
    decisions = DecisionLog(lambda: in_force.settings.scrubbed_accounts, metrics, seen, output.together)
    return WebhookFactory(
        reactor,
        authenticator,
        decisions,
        lambda: _encoder(in_force.settings),
        metrics=partial(exposition, metrics) if settings.webhook_metrics else None,
    )


def _encoder(settings: Settings) -> ReviewEncoder:
    return ReviewEncoder(user_extra=settings.user_extra, scrubbed_accounts=settings.scrubbed_accounts)


def publish_state(metrics: Metrics, in_force: InForce, sources: tuple[Source, ...], pair: ServingCertificate) -> None:
    """Add the gauges of certificate and mappings."""
    metrics.gauge(
        "authd_certificate_days_left",
        "Days until the certificate or its authority ends; negative while it isn't valid.",
        lambda: pair.days_left,
    )
    metrics.gauge("authd_mapping_rules", "Mappings in force.", lambda: len(in_force.tables))
    metrics.gauge(
        "authd_settings_problems",
        "Problems of the settings file.",
        lambda: sum(len(source.problems) for source in sources),
    )


def readiness_checks(
    sources: tuple[Source, ...],
    certificate: ServingCertificate,
    kubeconfig: WebhookKubeconfig,
    listening: Callable[[], bool],
) -> tuple[Check, ...]:
    """Return the checks of `/readyz`, in the order of its lines."""
    return (
        *(Check(name=_check_name(source), problem=partial(_problem, source)) for source in sources),
        Check(name="certificate", problem=certificate.problem, detail=certificate.detail),
        Check(name="kubeconfig", problem=kubeconfig.problem),
        Check(name="port", problem=lambda: "" if listening() else "closed"),
    )


def _check_name(source: Source) -> str:
    return "settings" if source.name == "MountedFile" else source.name


def _problem(source: Source) -> str:
    problems = source.problems
    return f"the last good mappings are in force: {'; '.join(map(str, problems))}" if problems else ""
