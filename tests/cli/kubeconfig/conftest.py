"""Fixtures: a home with static credentials, the installed commands on PATH, and a server that verifies tokens."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.rig.api_server import APIServer, run_api_server

KEY_ID, SECRET = "AKIAEXAMPLEEXAMPLE00", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYSECRETKEY"
CLUSTER = "prod"


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """Return the path of a kubeconfig that does not exist yet."""
    return tmp_path / "home" / ".kube" / "config"


@pytest.fixture
def run(tmp_path: Path, kubeconfig: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `authd kubeconfig` as a process, or another program with `program=`."""
    kubeconfig.parent.mkdir(parents=True)
    scripts = str(Path(sys.executable).parent)

    def start(*arguments: str, program: str = "authd", **more: str) -> subprocess.CompletedProcess[str]:
        environ = {
            "HOME": str(tmp_path / "home"), "PATH": f"{scripts}:{os.environ['PATH']}", "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", **more,
        }  # fmt: skip
        words = ["kubeconfig", *arguments] if program == "authd" else list(arguments)
        return subprocess.run(
            [f"{scripts}/{program}" if program.startswith(("authd", "kubectl-")) else program, *words],
            env=environ, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
        )  # fmt: skip

    return start


@pytest.fixture
def api_server(tmp_path: Path) -> Iterator[APIServer]:
    """Run the server that verifies tokens for the cluster."""
    with run_api_server(tmp_path, CLUSTER, {KEY_ID: SECRET}) as api:
        yield api
