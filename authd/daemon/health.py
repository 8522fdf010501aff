"""Liveness, readiness and metrics over plain HTTP, on loopback by default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IAddress, IReactorTime

from authd.daemon.http.server import TEXT, BoundedFactory, BoundedRequest
from authd.daemon.telemetry.metrics import Family, Metrics

#: Largest number of connections, so that they can't use up the descriptors. Probes and Prometheus need a few.
MAX_CONNECTIONS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One readiness check. `problem` returns the reason of a failure, or an empty text if the check passes.

    `warning` returns a problem that does not affect readiness, and `detail` a remark on a passed check. Either may be
    empty.
    """

    name: str
    problem: Callable[[], str]
    detail: Callable[[], str] = str
    warning: Callable[[], str] = str


class HealthRequest(BoundedRequest):
    """A request for health or metrics."""

    factory: HealthFactory

    def process(self) -> None:
        """Respond by path."""
        if self.method not in (b"GET", b"HEAD"):
            self.refuse(405, "use GET: these paths are read-only")
        elif self.path in (b"/livez", b"/healthz"):
            self.respond(200, TEXT, b"ok\n")  # a response proves that the reactor runs
        elif self.path == b"/readyz":
            self._ready()
        elif self.path == b"/metrics":
            self.respond(200, *exposition(self.factory.metrics))
        else:
            self.refuse(404, "no such path: use /livez, /readyz, /healthz or /metrics")

    def _ready(self) -> None:
        problems = [(check, check.problem()) for check in self.factory.checks]
        ready = not any(problem for _, problem in problems)
        lines = [f"[-] {check.name}: {problem}" if problem else _passed(check) for check, problem in problems]
        text = "\n".join([*lines, "ready" if ready else "not ready", ""])
        self.respond(200 if ready else 503, TEXT, text.encode())


def exposition(metrics: Metrics, more: Sequence[Family] = ()) -> tuple[bytes, bytes]:
    """Return the content type and the body of a scrape, with the families `more` at its end."""
    # Imported at the first scrape, because prometheus-client takes 12 ms and a megabyte.
    from authd.daemon.telemetry.prometheus import CONTENT_TYPE, render

    return CONTENT_TYPE, render([*metrics.families, *more])


def _passed(check: Check) -> str:
    if warning := check.warning():
        return f"[!] {check.name}: {warning}"
    detail = check.detail()
    return f"[+] {check.name}: ok, {detail}" if detail else f"[+] {check.name}: ok"


class HealthFactory(BoundedFactory):
    """Serves /livez, /healthz, /readyz and /metrics. The daemon is ready if all `checks` pass."""

    request_class = HealthRequest

    def __init__(self, reactor: IReactorTime, checks: Sequence[Check], metrics: Metrics) -> None:
        super().__init__(reactor)
        self.checks = checks
        self.metrics = metrics

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Accept a connection. At the limit, it replaces the one that has waited longest for its client."""
        if len(self.deadlines) >= MAX_CONNECTIONS and not self.deadlines.make_room():
            return None
        return super().buildProtocol(addr)
