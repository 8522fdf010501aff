"""Alert rules and dashboard use existing metrics."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from authd.core.decision import ALLOWED
from authd.core.errors import DenialReason, UnavailableReason
from authd.core.foreign_token import ForeignToken
from authd.daemon import health
from authd.daemon.telemetry.handshake_log import HandshakeLog
from authd.daemon.telemetry.metrics import Metrics
from tests.daemon.fakes import decision
from tests.integration.rig.daemon import DaemonProcess

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "monitoring"
ALERTS = yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not here: apt install prometheus"
)


def promtool(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool in the folder of the rules."""
    return subprocess.run(
        ["promtool", *arguments], cwd=FOLDER, input=text, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def exposition(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> str:
    """Return the metrics of a running daemon with an audit log."""
    make: Callable[..., DaemonProcess] = request.getfixturevalue("monitored_daemon")
    with make() as daemon:
        return daemon.health("/metrics").body.decode()


@needs_promtool
def test_the_metrics_are_clean(exposition: str) -> None:
    """The metrics of a real daemon pass `promtool check metrics`."""
    ended = promtool("check", "metrics", text=exposition)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@needs_promtool
def test_the_metrics_stay_clean() -> None:
    """They also pass after all events, when each labelled metric has series."""
    metrics = Metrics()
    for reason in (ALLOWED, *DenialReason, *UnavailableReason):
        metrics.decided(decision(reason), 0.2)
    metrics.peer.responded(200)
    metrics.reloads_of("MountedFile")("ok")
    metrics.foreign(ForeignToken.OIDC)
    HandshakeLog(metrics)
    ended = promtool("check", "metrics", text=health.exposition(metrics)[1].decode())
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@needs_promtool
def test_the_rules_fire() -> None:
    """The rules are valid, and fire only if something is wrong."""
    for arguments in (("check", "rules", "alerts.yaml"), ("test", "rules", "alerts_test.yaml")):
        ended = promtool(*arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr


def expressions() -> list[str]:
    """Return every PromQL expression of the rules and of the dashboard."""
    rules = [rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]]
    return rules + [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.mark.parametrize("expression", expressions())
def test_each_metric_exists(expression: str, exposition: str) -> None:
    """Each metric in an expression exists."""
    for name in re.findall(r"\b(?:authd|process)_\w+", expression):
        family = re.sub(r"_(?:total|bucket)$", "", name)
        assert re.search(rf"^# TYPE {family}(?:_total)? ", exposition, re.MULTILINE), name


@pytest.mark.parametrize("rule", ALERTS["groups"][0]["rules"], ids=lambda rule: rule["alert"])
def test_each_runbook_exists(rule: dict[str, dict[str, str]]) -> None:
    """The runbook URL of each rule points to a heading of a document."""
    path, _, heading = rule["annotations"]["runbook_url"].partition("#")
    text = (ROOT / path).read_text("utf-8")
    headings = [re.sub(r"[^\w\- ]", "", line.lstrip("# ")).lower().replace(" ", "-") for line in text.splitlines()
                if line.startswith("#")]  # fmt: skip
    assert not heading or heading in headings


def test_each_panel_has_its_place() -> None:
    """Panels have titles and unique numbers, and don't overlap."""
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert panel["title"]
        assert place["x"] + place["w"] <= 24
        taken = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not cells & taken
        cells |= taken
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
