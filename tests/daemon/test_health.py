"""The health port, in memory."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from authd.daemon.health import MAX_CONNECTIONS, Check, HealthFactory
from authd.daemon.http.server import REQUEST_SECONDS
from authd.daemon.telemetry.metrics import Metrics
from tests.daemon.fakes import StrictTransport, connected


class Health:
    """A health port with the test's checks, and a connection to it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.problems = {"settings": "", "certificate": ""}
        checks = [Check(name=name, problem=lambda name=name: self.problems[name]) for name in self.problems]
        self.factory = HealthFactory(self.clock, checks, Metrics())
        self.transport: StrictTransport = connected(self.factory.buildProtocol(None))

    def ask(self, path: str, method: str = "GET") -> tuple[int, str, str]:
        """Return status, content type and body."""
        self.transport.protocol.dataReceived(f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        response = self.transport.value().decode()
        self.transport.clear()
        head, _, body = response.partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        if method != "HEAD":
            assert int(headers["Content-Length"]) == len(body)
        return int(first.split(" ")[1]), headers["Content-Type"], body


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.mark.parametrize("path", ["/livez", "/healthz"])
def test_livez_ignores_readiness(health: Health, path: str) -> None:
    """Liveness does not depend on readiness."""
    health.problems["settings"] = "broken"
    assert health.ask(path) == (200, "text/plain; charset=utf-8", "ok\n")
    assert health.ask(path, "HEAD") == (200, "text/plain; charset=utf-8", "")


def test_readyz_lists_every_check(health: Health) -> None:
    """/readyz lists all checks. One problem is enough for 503, and it is named."""
    assert health.ask("/readyz")[::2] == (200, "[+] settings: ok\n[+] certificate: ok\nready\n")
    health.problems["certificate"] = "expired"
    assert health.ask("/readyz?verbose")[::2] == (503, "[+] settings: ok\n[-] certificate: expired\nnot ready\n")
    health.problems["certificate"] = ""
    assert health.ask("/readyz")[0] == 200


def test_metrics_are_in_prometheus_format(health: Health) -> None:
    """Every metric exists from the start, at zero."""
    status, content_type, body = health.ask("/metrics")
    assert status == 200
    assert content_type.startswith("text/plain; version=0.0.4")
    assert 'authd_decisions_total{reason="allowed"} 0.0' in body


@pytest.mark.parametrize("path", ["/", "/nothing", "/livez/x", "/livez/", "/authenticate"])
def test_other_paths_are_404(health: Health, path: str) -> None:
    """Any other path is not found."""
    assert health.ask(path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_are_405(health: Health, method: str) -> None:
    """The port accepts only GET and HEAD."""
    assert health.ask("/readyz", method)[0] == 405


def test_a_body_is_refused(health: Health) -> None:
    """A body is refused before it arrives."""
    health.transport.protocol.dataReceived(b"GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
    assert health.transport.value().startswith(b"HTTP/1.1 413 ")
    assert health.transport.disconnecting


def test_a_silent_client_is_disconnected(health: Health) -> None:
    """The webhook's deadlines apply here too."""
    health.transport.protocol.dataReceived(b"GET /liv")
    health.clock.advance(REQUEST_SECONDS)
    health.factory.deadlines.sweep()
    assert health.transport.aborted


def test_at_the_limit_the_longest_idle_connection_is_closed(health: Health) -> None:
    """Connections can't use up the descriptors that reviews need, and a probe always gets one."""
    transports = [health.transport]
    for _ in range(MAX_CONNECTIONS):
        health.clock.advance(0.001)
        transports.append(connected(health.factory.buildProtocol(None)))
    assert [transport.aborted for transport in transports] == [True] + [False] * MAX_CONNECTIONS
    health.transport = transports[-1]
    assert health.ask("/livez")[0] == 200
