from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.packaging.oldest import TOOLS, dependencies, requirements

ROOT = Path(__file__).parents[2]
#: Tests of the rooms that use the dependencies: botocore's data and signer, YAML, TLS, X.509, HTTP, treq, tracing.
ROOMS = (
    "tests/core/test_partitions.py",
    "tests/config/document",
    "tests/daemon/net",
    "tests/daemon/sts",
    "tests/daemon/tracing",
    "tests/state",
)
#: Create the daemon's services without a port, and mint a token.
COMMANDS = (
    ["-c", "from twisted.scripts.twistd import run; run()", "authd", "--version"],
    ["-m", "authd.cli.main", "check", "example.yaml"],
    ["-m", "authd.client", "--cluster-id", "c", "--region", "us-east-1"],
)
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEMULATORALICE000", "AWS_SECRET_ACCESS_KEY": "s"}


def test_each_dependency_has_a_lower_bound():
    """Every dependency of the daemon has only a lower bound."""
    for each in dependencies():
        assert [bound.operator for bound in Requirement(each).specifier] == [">="], each
    assert len(requirements()) == len(dependencies())


@pytest.mark.skipif("AUTHD_OLDEST" not in os.environ, reason="needs a package index: `make oldest`, about two minutes")
def test_the_oldest_dependencies(tmp_path):
    """With the oldest versions in pyproject.toml, the tests of the dependent rooms pass and the programs start."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "old"], check=True)
    python = str(tmp_path / "old" / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *requirements(), *TOOLS, "hyperlink", "trustme>=1.2"], check=True)
    environ = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), **KEYS}
    for command in COMMANDS:
        subprocess.run([python, *command], cwd=ROOT, env=environ, check=True, capture_output=True)
    tests = [python, "-m", "pytest", "-p", "no:cacheprovider", "-q", *ROOMS]
    subprocess.run(tests, cwd=ROOT, env=environ, check=True)
