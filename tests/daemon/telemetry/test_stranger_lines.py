"""Lines about tokens without a confirmed identity."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from authd.daemon.telemetry.stranger_lines import REPORT_SECONDS, StrangerLines


def test_each_reason_has_its_own_limit() -> None:
    """A flood of one reason doesn't affect the lines of others. Omitted lines are reported during and after it."""
    clock = Clock()
    reports: list[tuple[str, int]] = []
    lines = StrangerLines(clock.seconds, lambda reason, count: reports.append((reason, count)))
    with capturedLogs() as events:
        assert sum(lines.permits("foreign_token") for _ in range(1_000)) == 100
        assert lines.permits("token_expired")
        clock.advance(REPORT_SECONDS)
        assert lines.permits("foreign_token")
        lines.report()
    assert reports == [("foreign_token", 900)]
    assert [(event["omitted"], event["reason"]) for event in events] == [(900, "foreign_token")]
