"""The checks of `/readyz`."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from authd.authentication.circuit_breaker import CircuitBreakers
from authd.daemon.certificates.serving_certificate import ServingCertificate
from authd.daemon.certificates.webhook_kubeconfig import WebhookKubeconfig
from authd.daemon.health import Check
from authd.daemon.telemetry.audit_log import AuditLog
from authd.daemon.telemetry.metrics import Metrics
from authd.sources.in_force import InForce
from authd.sources.source import Source


def readiness_checks(
    sources: tuple[Source, ...],
    in_force: InForce,
    certificate: ServingCertificate,
    kubeconfig: WebhookKubeconfig,
    *,
    listening: Callable[[], bool],
    breakers: CircuitBreakers,
    metrics: Metrics,
    audit: AuditLog | None = None,
) -> tuple[Check, ...]:
    """Return the checks of `/readyz`, in the order of its lines."""
    return (
        *(Check(name=_check_name(source), problem=partial(_problem, source, in_force)) for source in sources),
        Check(name="certificate", problem=certificate.problem, detail=certificate.detail),
        Check(name="kubeconfig", problem=kubeconfig.problem, detail=kubeconfig.detail),
        Check(name="port", problem=lambda: "" if listening() else "closed"),
        Check(name="sts", problem=str, warning=partial(_failing_hosts, breakers)),
        *(() if audit is None else (Check(name="audit", problem=str, warning=audit.problem),)),
        Check(name="reviews", problem=str, detail=partial(_last_review, metrics)),
    )


def _failing_hosts(breakers: CircuitBreakers) -> str:
    hosts = ", ".join(f"{host} ({reason})" for host, reason in breakers.failing().items())
    return f"failing: {hosts}; logins through it fail until a probe succeeds" if hosts else ""


def _last_review(metrics: Metrics) -> str:
    if not metrics.last_review:
        return "none yet: does kube-apiserver run with --authentication-token-webhook-config-file?"
    return f"the last one {max(0, int(time.time() - metrics.last_review))} s ago"


def _check_name(source: Source) -> str:
    return "settings" if source.name == "MountedFile" else source.name


def _problem(source: Source, in_force: InForce) -> str:
    if not source.problems:
        return ""
    is_empty = source.name in in_force.changed and not in_force.has_table(source.name)
    state = "it has no mappings yet" if is_empty else "the last good mappings are in force"
    return f"{state}: {'; '.join(map(str, source.problems))}"
