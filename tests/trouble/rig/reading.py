"""Parses responses of the webhook, /metrics and /readyz."""

from __future__ import annotations

from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.webhook_client import Response

LET_IN = (200, "allowed")
OPEN = (503, "circuit_open")
LATE = (504, "sts_timeout")
LOST = (502, "sts_unreachable")
OVERLOADED = (429, "overloaded")


def outcome(answer: Response) -> tuple[int, str]:
    """Return a response's status and reason. A refusal without an error has an empty reason."""
    assert "Retry-After" not in answer.headers, answer
    if answer.status != 200:
        return answer.status, _reason(answer.body.decode())
    status = answer.review["status"]
    return (200, "allowed") if status["authenticated"] else (200, _reason(status.get("error", "")))


def _reason(text: str) -> str:
    """Return the reason's code, which is in brackets at the end, before the reference."""
    return text.rpartition("[")[2].partition(",")[0]


def metric(daemon: DaemonProcess, name: str) -> float:
    """Return one of the daemon's metrics. `name` includes the labels."""
    lines = daemon.health("/metrics").body.decode().splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == name)


def readiness(daemon: DaemonProcess, check: str) -> str:
    """Return the result of one check of /readyz: `ok` or the problem."""
    lines = daemon.health("/readyz").body.decode().splitlines()
    return next(text for line in lines for name, _, text in [line[4:].partition(": ")] if name == check)
