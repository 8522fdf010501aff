"""Print the reference page of the metrics that the daemon registers at its start.

python -m tools.site.metrics
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from twisted.internet import reactor

from authd.daemon.command_line.options import Options
from authd.daemon.tap import AuthdService
from authd.daemon.telemetry.metrics import Counter, Family, Gauge, Info, LabelledGauge, Total
from authd.daemon.telemetry.peer_metrics import CounterTable, HistogramTable

_HEAD = """\
# Metrics

This page lists every metric of `/metrics`, generated from the daemon's code. [Operations](../operations.md) has them by
purpose, with alerts and a dashboard. `authd_audit_records_lost_total` needs `server.auditLog`, and
`authd_trace_spans_total` needs `server.tracing`. The usual `process_…` metrics come in addition.
`aws_iam_authenticator_sts_responses_total` is on the webhook's port only.

| metric | type | meaning |
|---|---|---|
"""


def page() -> str:
    """Return the page."""
    rows = sorted(set(map(_row, families())))
    return _HEAD + "\n".join(rows) + "\n"


def families() -> list[Family]:
    """Return the metrics of a daemon with an audit log and tracing. Its reactor never runs."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "config.yaml")
        settings.write_text(
            f"clusterID: c\nserver: {{port: 0, healthPort: 0, stateDir: {folder}/state, "
            f"generateKubeconfig: {folder}/kubeconfig.yaml, auditLog: {folder}/audit.jsonl, "
            "tracing: {endpoint: 'http://127.0.0.1:4318'}}\n"
        )
        options = Options()
        options.parseOptions(["--config", str(settings)])
        service = AuthdService(reactor, options)
        service.startService()
        return [*service._metrics.families, *service._metrics.peer.webhook_families]


def name_of(family: Family) -> str:
    """Return a metric's published name: those of counters end with `_total`."""
    counts = isinstance(family, Counter | CounterTable | Total)
    return f"{family.name}_total" if counts else family.name


def _row(family: Family) -> str:
    labels = list(_labels(family))
    names = f"{{{','.join(name for name, _ in labels)}}}" if labels else ""
    values = "".join(f" `{name}`: {text}." for name, text in labels if text)
    return f"| `{name_of(family)}{names}` | {_type(family)} | {family.help_text}{values} |"


def _type(family: Family) -> str:
    if isinstance(family, Counter | CounterTable | Total):
        return "counter"
    return "gauge" if isinstance(family, Gauge | LabelledGauge | Info) else "histogram"


def _labels(family: Family) -> Iterator[tuple[str, str]]:
    """Yield the name of each label, and its values if they are a closed list."""
    if isinstance(family, Counter | HistogramTable):
        values = list(family.by_value)
        shown = ", ".join(f"`{value}`" for value in values)
        has_reasons = {"foreign_token", "overloaded"} <= set(values)
        yield family.label, _reasons(values) if has_reasons else shown
    elif isinstance(family, LabelledGauge):
        yield family.label, ""
    elif isinstance(family, CounterTable | Info):
        yield from ((label, "") for label in family.labels)


def _reasons(values: list[str]) -> str:
    return f"`{values[0]}`, and every [reason](../reasons.md)"


def main() -> int:
    """Print the page."""
    sys.stdout.write(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
