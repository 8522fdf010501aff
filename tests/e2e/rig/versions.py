"""The version of a Kubernetes program."""

from __future__ import annotations

import re
import subprocess


def apiserver_version(program: str) -> tuple[int, int]:
    """Return the major and minor version of a kube-apiserver."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=True)
    match = re.search(r"v([0-9]+)\.([0-9]+)", done.stdout)
    assert match, done.stdout
    return int(match[1]), int(match[2])
