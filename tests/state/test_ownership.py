from __future__ import annotations

import os
from pathlib import Path

import pytest

from authd.state import ownership
from authd.state.ownership import access_problem


@pytest.fixture(autouse=True)
def _user(monkeypatch):
    monkeypatch.setattr(ownership.os, "geteuid", lambda: 10001)


def error(path):
    return PermissionError(13, "Permission denied", str(path))


def test_a_key_of_another_user(tmp_path):
    """The sentence has the owner, the mode, the user of the process, and the next step."""
    key = tmp_path / "key.pem"
    key.write_text("")
    key.chmod(0o600)
    owner = os.stat(key).st_uid
    assert access_problem(error(key)) == (
        f"key.pem: Permission denied: key.pem belongs to uid {owner} (mode 0600), but this process runs as uid 10001: run "
        f"the daemon as that user (`runAsUser: {owner}` in a manifest), or run `chown 10001 {key}`"
    )


def test_a_folder_of_another_user(tmp_path):
    """If the file is not accessible, the sentence is about its folder."""
    assert f"{tmp_path.name} belongs to uid" in access_problem(error(tmp_path / "missing" / "key.pem"))


def test_nothing_accessible(monkeypatch):
    """Without a file name, or if no folder is accessible, only the system's message is returned."""

    def fail(_):
        raise OSError

    assert access_problem(PermissionError(13, "Permission denied")) == "Permission denied"
    monkeypatch.setattr(ownership.os, "stat", fail)
    assert access_problem(error(Path("/a/key.pem"))) == "key.pem: Permission denied"
