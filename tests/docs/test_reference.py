"""The reference pages generated from the code are complete and up to date."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from authd.cli.commands import COMMANDS
from authd.core.decision import ALLOWED, Decision, Source
from authd.core.errors import DenialReason, UnavailableReason
from authd.core.kubernetes_user import KubernetesUser
from authd.core.trace_context import TraceContext
from authd.daemon.telemetry.decision_log import DecisionLog
from authd.daemon.telemetry.metrics import Metrics
from authd.sources.lockout_guard import SeenIdentities
from tests.daemon.fakes import presigned
from tools.site import commands, reference

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "audit.schema.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("file", "page", "current", "outdated"),
    [
        (reference.SETTINGS, reference.settings_page, "| `21362` |", "| `21361` |"),
        (reference.SETTINGS, reference.settings_page, "from 1024 to 16384", "from 1 to 16384"),
        (reference.REASONS, reference.reasons_page, "| 503 | does not retry |", "| 502 | retries |"),
    ],
)
def test_tables(file, page, current, outdated):
    """The tables of settings and reasons are those of the code. If this fails, run `make reference`."""
    text = file.read_text("utf-8")
    assert page(text) == text
    assert current in text
    assert page(text.replace(current, outdated)) == text


def test_each_setting_and_reason_is_described():
    """Every setting and every reason has a description in the code."""
    meanings = reference.descriptions("core/errors.py")
    reasons = (*DenialReason, *UnavailableReason)
    assert [each for each in reasons if not meanings.get(f"{type(each).__name__}.{each.name}")] == []
    known = reference._descriptions()
    assert [path for path in reference.setting_paths() if not known.get(path.lower())] == []


def test_commands():
    """The page of the commands has every command and subcommand, each with its options."""
    page = commands.page()
    titles = re.findall("^## (.+)$", page, re.MULTILINE)
    assert {f"authd {name}" for name in COMMANDS} - set(titles) == {"authd token", "authd help"}
    assert {"authd-token", "authd kubeconfig add", "authd kubeconfig convert", "authd kubeconfig test"} <= set(titles)
    assert page.lower().count("usage: ") >= len(titles)
    assert str(ROOT) not in page


def test_metrics():
    """The page of the metrics has those in operations.md, each with a type and a description."""
    page = subprocess.run(
        [sys.executable, "-m", "tools.site.metrics"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout  # fmt: skip
    rows = re.findall(r"^\| `(\w+)(?:\{[\w,]+\})?` \| (\w+) \| (.+) \|$", page, re.MULTILINE)
    assert {kind for _, kind, _ in rows} == {"counter", "gauge", "histogram"}
    operations = (ROOT / "docs" / "operations.md").read_text("utf-8")
    table = operations[operations.index("| metric |") : operations.index("the usual `process_")]
    cells = re.findall(r"^\| (.+?) \|", table, re.MULTILINE)
    documented = {name for cell in cells for name in re.findall(r"`(a\w+_\w+)", cell)}
    assert {name for name, _, _ in rows} == documented


def test_audit_schema(identities):
    """The audit log's schema has exactly the fields and values of the code, and describes every field."""
    identity = identities.of("arn:aws:iam::111122223333:user/alice", principal_id="AIDA1")
    user = KubernetesUser(username="alice", groups=(), rule="c.yaml:1:1")
    decision = Decision(
        reason=ALLOWED, message="", reference="01234567", user=user, identity=identity, request=presigned(),
        trace=TraceContext("1" * 32, "2" * 16, sampled=True),
    )  # fmt: skip
    log = DecisionLog(frozenset, Metrics(), SeenIdentities(float))
    fields = set(json.loads(f"{{{log._record(decision, 0.1, 200)}}}"))
    properties = SCHEMA["properties"]
    assert set(properties) == fields | {"schema", "time", "omitted"}
    assert [name for name, entry in properties.items() if not entry.get("description")] == []
    assert properties["source"]["enum"] == [source.value for source in Source]
    assert all(re.fullmatch(properties["reason"]["pattern"], reason) for reason in (*DenialReason, *UnavailableReason))
