"""Liveness, readiness and metrics, on a plain port of loopback."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from authd.daemon.metrics import CONTENT_TYPE, Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that readiness stands on: `problem` returns what is wrong, or an empty text."""

    name: str
    problem: Callable[[], str]


class _Live(Resource):
    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """Answer: the reactor turns, or there would be no answer."""
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return b"ok\n"


class _Ready(Resource):
    isLeaf = True

    def __init__(self, checks: Sequence[Check]) -> None:
        super().__init__()
        self._checks = checks

    def render_GET(self, request: Request) -> bytes:
        """List every check, with what is wrong; 503 where anything is."""
        problems = {check.name: check.problem() for check in self._checks}
        ready = not any(problems.values())
        request.setResponseCode(200 if ready else 503)
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        lines = [f"[-] {name}: {what}" if what else f"[+] {name}: ok" for name, what in problems.items()]
        return "\n".join([*lines, "ready" if ready else "not ready", ""]).encode()


class _Metrics(Resource):
    isLeaf = True

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def render_GET(self, request: Request) -> bytes:
        """Return the metrics in Prometheus's text format."""
        request.setHeader(b"content-type", CONTENT_TYPE)
        return self._metrics.render()


class _QuietSite(Site):
    """A site without an access log."""

    noisy = False

    def log(self, request: object) -> None:
        """Write nothing."""


def health_site(checks: Sequence[Check], metrics: Metrics) -> Site:
    """Return the site with /livez, /healthz, /readyz and /metrics."""
    root = Resource()
    root.putChild(b"livez", _Live())
    root.putChild(b"healthz", _Live())
    root.putChild(b"readyz", _Ready(checks))
    root.putChild(b"metrics", _Metrics(metrics))
    return _QuietSite(root, timeout=30)
