from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.e2e.rig.assets import find_assets
from tests.guides.rig.machine import machine as run_machine


@pytest.fixture
def machine():
    """A machine for a guide. The users of containers can read its folder."""
    assets = find_assets()
    if assets is None:
        pytest.skip("needs kube-apiserver, etcd and kubectl: run `make e2e-assets`")
    folder = Path(tempfile.mkdtemp(prefix="authd-guide-"))
    folder.chmod(0o755)
    try:
        with run_machine(folder, assets) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)
