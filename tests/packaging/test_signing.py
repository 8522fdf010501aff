"""The commands of docs/support.md for signing a release and checking it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "support.md").read_text("utf-8")
COMMANDS = [line.strip() for line in re.findall(r"^    (?:gpg|sha256sum) .+$", TEXT, re.MULTILINE)]

pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gpg")


@pytest.fixture
def shell(tmp_path):
    """Return a function that runs a command with a new key, in a folder with a file to sign."""
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    environ = {**os.environ, "GNUPGHOME": str(keys)}

    def run(command):
        return subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )

    made = run("gpg --batch --passphrase '' --quick-generate-key release@authd.example.com ed25519 sign never")
    assert made.returncode == 0, made.stderr
    (tmp_path / "authd.whl").write_text("a release")
    assert run("sha256sum -- *.whl > SHA256SUMS").returncode == 0
    yield run
    run("gpgconf --kill all")


def test_sign_and_check(shell):
    """A user verifies the signature and the checksum of a signed file."""
    sign, verify, check = COMMANDS
    assert shell(sign).returncode == 0
    assert "Good signature" in shell(verify).stderr
    assert shell(check).returncode == 0


def test_a_changed_release(shell, tmp_path):
    """A changed file is detected, with its old checksum and with a new one."""
    sign, verify, check = COMMANDS
    assert shell(sign).returncode == 0
    (tmp_path / "authd.whl").write_text("another release")
    assert shell(check).returncode == 1
    assert shell("sha256sum -- *.whl > SHA256SUMS").returncode == 0
    assert shell(check).returncode == 0
    assert shell(verify).returncode == 1
