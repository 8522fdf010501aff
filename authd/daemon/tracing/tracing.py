"""Tracing of reviews and their calls. Without `server.tracing`, the SDK isn't imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

from authd.authentication.authenticator import InstanceNamer, STSCaller
from authd.core.errors import ConfigError, Problem
from authd.core.token import PresignedRequest
from authd.daemon.telemetry.metrics import Metrics
from authd.daemon.webhook import Decider
from authd.sources.in_force import InForce

#: The packages of the extra `otel`.
_PACKAGES = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter", "requests")


class Tracing:
    """Wraps the parts of a review that have spans. The base class returns them unchanged."""

    def of_reviews(self, decider: Decider) -> Decider:
        """Return a decider that creates spans."""
        return decider

    def of_calls(self, ask_sts: STSCaller[PresignedRequest]) -> STSCaller[PresignedRequest]:
        """Return a caller of STS that creates spans."""
        return ask_sts

    def of_responses(self, on_response: Callable[[int], None]) -> Callable[[int], None]:
        """Return a callback that adds STS's HTTP status to the call's span."""
        return on_response

    def of_names(self, instance_name: InstanceNamer) -> InstanceNamer:
        """Return a look-up of EC2 instances' names that creates spans."""
        return instance_name

    async def stop(self) -> None:
        """Export the waiting spans, within a bounded time."""


def tracing_of(reactor: Any, in_force: InForce, metrics: Metrics) -> Tracing:
    """Return the tracing of the settings. Raises `ConfigError` if a package is missing or a file can't be used."""
    settings = in_force.settings
    if settings.tracing is None:
        return Tracing()
    require_packages()
    from authd.daemon.tracing.otel import OpenTelemetry

    return OpenTelemetry(
        reactor,
        settings.tracing,
        cluster_id=settings.cluster_id,
        metrics=metrics,
        scrubbed_accounts=lambda: in_force.settings.scrubbed_accounts,
    )


def require_packages() -> None:
    """Import the packages of the extra `otel`. Raises `ConfigError` with the pip command if one is missing."""
    try:
        for package in _PACKAGES:
            importlib.import_module(package)
    except ModuleNotFoundError as error:
        message = (
            f"the settings have this section, but its packages are not installed ({error.name} is missing): run "
            f"`{sys.prefix}/bin/pip install --constraint constraints.txt '.[daemon,otel]'` in a clone of authd, or "
            "remove the section"
        )
        raise ConfigError((Problem(file="server.tracing", line=0, column=0, message=message),)) from None
