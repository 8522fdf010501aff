from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import yaml

from authd import __version__
from tools.release import krew

ROOT = Path(__file__).parents[2]


def test_the_manifest_matches_the_archive():
    """The manifest has the version and the checksum of the built archive."""
    manifest = yaml.safe_load(krew.MANIFEST.read_text())
    (platform,) = manifest["spec"]["platforms"]
    assert manifest["spec"]["version"] == f"v{__version__}"
    assert platform["sha256"] == hashlib.sha256(krew.archive()).hexdigest()
    assert krew.MANIFEST.read_text() == krew.manifest(krew.archive())
    with tarfile.open(fileobj=io.BytesIO(krew.archive())) as tar:
        assert tar.getnames() == ["LICENSE", platform["bin"]]


def test_the_plugin_runs_authd(tmp_path):
    """The plugin runs `authd kubeconfig`. If it is missing, the message has the installing command."""
    script = str(ROOT / "deploy" / "krew" / "kubectl-authd")
    scripts = Path(sys.executable).parent
    found = subprocess.run(
        [script, "--help"], env={**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (found.returncode, "usage: authd kubeconfig" in found.stdout) == (0, True)
    missing = subprocess.run(
        [script], env={"PATH": "/bin:/usr/bin", "HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (missing.returncode, "pipx install ." in missing.stderr) == (2, True)
