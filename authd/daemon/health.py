"""Liveness, readiness and metrics, on a plain port of loopback."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from authd.daemon.http.server import TEXT, BoundedFactory, BoundedRequest
from authd.daemon.telemetry.metrics import CONTENT_TYPE, Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that readiness stands on: `problem` returns what is wrong, or an empty text.

    Where nothing is wrong, `detail` returns what there is to say all the same.
    """

    name: str
    problem: Callable[[], str]
    detail: Callable[[], str] = str


class HealthRequest(BoundedRequest):
    """One question about the daemon's state."""

    factory: HealthFactory

    def process(self) -> None:
        """Answer by path."""
        if self.method not in (b"GET", b"HEAD"):
            self.refuse(405, "this is only read")
        elif self.path in (b"/livez", b"/healthz"):
            self.respond(200, TEXT, b"ok\n")  # the reactor turns, or there would be no answer
        elif self.path == b"/readyz":
            self._ready()
        elif self.path == b"/metrics":
            self.respond(200, CONTENT_TYPE, self.factory.metrics.render())
        else:
            self.refuse(404, "no such path: there are /livez, /readyz, /healthz and /metrics")

    def _ready(self) -> None:
        problems = [(check, check.problem()) for check in self.factory.checks]
        ready = not any(what for _, what in problems)
        lines = [f"[-] {each.name}: {what}" if what else _well(each) for each, what in problems]
        text = "\n".join([*lines, "ready" if ready else "not ready", ""])
        self.respond(200 if ready else 503, TEXT, text.encode())


def _well(check: Check) -> str:
    detail = check.detail()
    return f"[+] {check.name}: ok, {detail}" if detail else f"[+] {check.name}: ok"


class HealthFactory(BoundedFactory):
    """Serves /livez, /healthz, /readyz and /metrics; readiness stands on `checks`."""

    request_class = HealthRequest

    def __init__(self, reactor: IReactorTime, checks: Sequence[Check], metrics: Metrics) -> None:
        super().__init__(reactor)
        self.checks = checks
        self.metrics = metrics
