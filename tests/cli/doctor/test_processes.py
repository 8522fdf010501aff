from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from authd.cli.doctor.processes import daemon_uid, find_kube_apiservers, processes, started


def add_process(proc, number, *command, start=0):
    folder = proc / str(number)
    folder.mkdir()
    (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in command))
    fields = ["S", *("0" for _ in range(18)), str(start * os.sysconf("SC_CLK_TCK")), "0"]
    (folder / "stat").write_text(f"{number} (a name) with ) in it) {' '.join(fields)}")
    return folder


def test_kube_apiserver(tmp_path):
    """kube-apiserver is found by the name of its program."""
    add_process(tmp_path, 1, "/sbin/init")
    assert find_kube_apiservers(tmp_path) == []
    add_process(tmp_path, 2, "/usr/local/bin/kube-apiserver", "--a=b")
    (process,) = find_kube_apiservers(tmp_path)
    assert process.command[1:] == ("--a=b",)


def test_the_start_of_a_process(tmp_path):
    """A process's start time is computed from the time since the boot, to a hundredth of a second."""
    add_process(tmp_path, 2, "kube-apiserver", start=50)
    (tmp_path / "uptime").write_text("100.75 12.00\n")
    (process,) = find_kube_apiservers(tmp_path)
    assert started(tmp_path, process, 1_000_100.0) == datetime.fromtimestamp(1_000_049.25, UTC)
    (tmp_path / "2" / "stat").write_text("")
    assert started(tmp_path, process, 1_000_100.0) is None


@pytest.mark.parametrize(
    ("command", "ours"),
    [
        (["/opt/authd/bin/python3", "/opt/authd/bin/twistd", "--nodaemon", "authd", "--config", "/e/c.yaml"], True),
        (["twistd", "authd", "--config=/e/c.yaml"], True),
        (["twistd", "authd", "--config", "/e/other.yaml"], False),
        (["twistd", "authd"], True),
        (["/opt/authd/bin/python3", "/opt/authd/bin/authd", "server", "-c", "/e/c.yaml"], True),
        (["twistd", "web"], False),
        (["authd", "check", "/e/c.yaml"], False),
    ],
)
def test_the_daemon(tmp_path, command, ours):
    """The daemon is found by its command line and settings file."""
    add_process(tmp_path, 7, *command)
    assert daemon_uid(tmp_path, Path("/e/c.yaml")) == (os.geteuid() if ours else None)


def test_a_process_that_has_ended(tmp_path):
    """A process that ends meanwhile is skipped."""
    (tmp_path / "9").mkdir()
    assert list(processes(tmp_path)) == []
    assert list(processes(tmp_path / "nowhere")) == []


def test_this_process():
    """The real process table has this process, with its start time."""
    process = next(each for each in processes(Path("/proc")) if each.folder.name == str(os.getpid()))
    start = started(Path("/proc"), process, time.time())
    assert start is not None
    assert start < datetime.now(UTC)
