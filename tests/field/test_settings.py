"""Settings files from the field: `authd check`, `authd explain`, and the daemon's start."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.field.conftest import CASES, EXPECTED
from tests.integration.rig.minting import script

AUTHD = script("authd")


def run(*arguments):
    return subprocess.run([AUTHD, *arguments], capture_output=True, text=True, timeout=120, check=False)


def test_every_case_has_an_expected_result():
    """Each settings file has an expected result."""
    assert {path.name for path in CASES.glob("*.yaml")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_check(name):
    """`authd check` has the expected exit status, warnings and messages."""
    expected = EXPECTED[name]
    ended = run("check", str(CASES / name))
    assert ended.returncode == expected["check"], ended.stdout
    for part in expected.get("says", []):
        assert part in ended.stdout
    for part in expected.get("silent", []):
        assert part not in ended.stdout
    if "warnings" in expected:
        report = json.loads(run("check", "-o", "json", str(CASES / name)).stdout)
        assert len(report["warnings"]) == expected["warnings"], report["warnings"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [(name, each) for name, case in EXPECTED.items() for each in case.get("explain", [])],
    ids=lambda value: value if isinstance(value, str) else value["arn"],
)
def test_explain(name, expected):
    """`authd explain` gives each identity the expected user."""
    ended = run("explain", "-c", str(CASES / name), "-o", "json", expected["arn"])
    explained = json.loads(ended.stdout)
    if "refused" in expected:
        assert (ended.returncode, explained["reason"]) == (1, expected["refused"])
    else:
        assert (explained["username"], explained["groups"]) == (expected["username"], expected["groups"])


@pytest.mark.parametrize("name", [name for name, case in EXPECTED.items() if case.get("daemon") == "starts"])
def test_the_daemon_starts(name, start, tmp_path):
    """The daemon starts with the unchanged file."""
    paths = (f"--state-dir={tmp_path / 'state'}", f"--generate-kubeconfig={tmp_path / 'k.yaml'}")
    daemon = start("authd", "server", f"--config={CASES / name}", *paths)
    daemon.wait_for_message("listening on https://")


@pytest.mark.parametrize("name", [name for name, case in EXPECTED.items() if case.get("daemon") == "refuses"])
def test_the_daemon_refuses(name, start, tmp_path):
    """The daemon exits at once with status 2, and prints the same as `authd check`."""
    expected = EXPECTED[name]
    daemon = start("authd", "server", f"--config={CASES / name}", f"--state-dir={tmp_path / 'state'}")
    assert daemon.wait() == 2
    for part in expected.get("daemon_says", expected["says"][:1]):
        assert part.rpartition("error: ")[2] in daemon.said()
    assert not (tmp_path / "state").exists()
