"""Liveness, readiness and metrics, on a plain port of loopback."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from authd.daemon.bounded_http import TEXT, BoundedChannel, BoundedFactory, BoundedRequest
from authd.daemon.metrics import CONTENT_TYPE, Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that readiness stands on: `problem` returns what is wrong, or an empty text."""

    name: str
    problem: Callable[[], str]


class HealthRequest(BoundedRequest):
    """One question about the daemon's state."""

    def __init__(self, channel: BoundedChannel, queued: object = False) -> None:  # noqa: FBT002  # twisted.web's own
        super().__init__(channel, queued)
        assert isinstance(channel.factory, HealthFactory)
        self._health = channel.factory

    def process(self) -> None:
        """Answer by path."""
        if self.method not in (b"GET", b"HEAD"):
            self.refuse(405, "this is only read")
        elif self.path in (b"/livez", b"/healthz"):
            self.respond(200, TEXT, b"ok\n")  # the reactor turns, or there would be no answer
        elif self.path == b"/readyz":
            self._ready()
        elif self.path == b"/metrics":
            self.respond(200, CONTENT_TYPE, self._health.metrics.render())
        else:
            self.refuse(404, "no such path: there are /livez, /readyz, /healthz and /metrics")

    def _ready(self) -> None:
        problems = {check.name: check.problem() for check in self._health.checks}
        ready = not any(problems.values())
        lines = [f"[-] {name}: {what}" if what else f"[+] {name}: ok" for name, what in problems.items()]
        text = "\n".join([*lines, "ready" if ready else "not ready", ""])
        self.respond(200 if ready else 503, TEXT, text.encode())


class HealthFactory(BoundedFactory):
    """Serves /livez, /healthz, /readyz and /metrics; readiness stands on `checks`."""

    requestFactory = HealthRequest

    def __init__(self, reactor: IReactorTime, checks: Sequence[Check], metrics: Metrics) -> None:
        super().__init__(reactor)
        self.checks = checks
        self.metrics = metrics
