"""Queries to the status socket."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from authd.cli.shared import live
from authd.cli.shared.errors import CommandError


def test_a_silent_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that accepts the connection and stays silent is reported as such."""
    monkeypatch.setattr(live, "_TIMEOUT_SECONDS", 0.1)
    path = tmp_path / "status.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(CommandError, match=r"status\.sock: the daemon did not answer within 0\.1 seconds"):
            live.ask(path, "status")
