from __future__ import annotations

import json
import re
from pathlib import Path

from authd.core.decision import ALLOWED, Decision
from authd.core.kubernetes_user import KubernetesUser
from authd.core.trace_context import TraceContext
from authd.daemon.telemetry.decision_log import DecisionLog
from authd.daemon.telemetry.handshake_log import HandshakeLog
from authd.daemon.telemetry.metrics import Metrics
from authd.daemon.telemetry.prometheus import render
from authd.sources.lockout_guard import SeenIdentities
from tests.daemon.fakes import presigned

ROOT = Path(__file__).parents[2]
SPANS = ROOT / "authd" / "daemon" / "tracing" / "outcomes.py"
TEXT = (ROOT / "docs" / "operations.md").read_text("utf-8")


def test_log_fields(identities):
    """The table has exactly the fields of a decision's event."""
    identity = identities.of("arn:aws:iam::111122223333:user/alice", principal_id="AIDA1")
    user = KubernetesUser(username="alice", groups=(), rule="c.yaml:1:1")
    decision = Decision(
        reason=ALLOWED, message="", reference="01234567", user=user, identity=identity, request=presigned(),
        trace=TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True),
    )  # fmt: skip
    audit = DecisionLog(frozenset, Metrics(), SeenIdentities(float))
    table = TEXT[TEXT.index("| field |") : TEXT.index("Fields that have no value")]
    cells = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", table, re.MULTILINE)
    rows = {name for cell in cells for name in re.findall("`(.*?)`", cell)}
    assert rows - {"time", "level", "logger"} == set(json.loads(f"{{{audit._record(decision, 0.1, 200)}}}"))


def test_metrics():
    """The table has exactly authd's own metrics."""
    metrics = Metrics()
    HandshakeLog(metrics)
    own = set(re.findall(r"^# TYPE (authd_\w+)", render(metrics.families).decode(), re.MULTILINE))
    wiring = "".join((ROOT / "authd" / "daemon" / f"{name}.py").read_text("utf-8") for name in ("wiring", "gauges"))
    gauges = set(re.findall(r'gauge\(\s*"(authd_\w+)"|(?:LabelledGauge|Info)\(\s*name="(authd_\w+)"', wiring))
    gauges = {one or other for one, other in gauges}
    gauges |= {f"{name}_total" for name in re.findall(r'(?:total\(\s*|Counter\(\s*)"(authd_\w+)"', wiring)}
    gauges |= {f"{name}_total" for name in re.findall(r'counter\("(authd_\w+)"', SPANS.read_text("utf-8"))}
    rows = set(
        re.findall(r"`(authd_\w+)(?:\{[\w,]+\})?`(?=.*\|$)", TEXT[: TEXT.index("deploy/monitoring")], re.MULTILINE)
    )
    assert gauges
    assert rows == own | gauges
