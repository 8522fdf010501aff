from __future__ import annotations

import io
import os
import sys

import pytest

from authd.cli.doctor.findings import error, ok, warning
from authd.cli.doctor.report import exit_status, print_report, report_as_json

REPORT = {"ports": [ok("open"), warning("old", "renew it")], "STS": [error("gone", "find it")]}


@pytest.mark.parametrize(
    ("report", "status"), [({"a": [ok("x")]}, 0), ({"a": [ok("x"), warning("x", "y")]}, 1), (REPORT, 2), ({}, 0)]
)
def test_the_exit_status(report, status):
    """The worst finding determines the exit status."""
    assert exit_status(report) == status


def test_text(capsys):
    """Each finding has a line with its symbol, and its fix below."""
    print_report(REPORT)
    assert capsys.readouterr().out == (
        "ports\n  ✔ open\n  ! old\n    fix: renew it\nSTS\n  ✘ gone\n    fix: find it\n1 error, 1 warning\n"
    )


def test_json():
    """JSON has a list of findings and the exit status."""
    report = report_as_json(REPORT)
    assert report["status"] == 2
    assert report["findings"][0] == {"group": "ports", "level": "ok", "message": "open", "fix": None}
    assert report["findings"][2] == {"group": "STS", "level": "error", "message": "gone", "fix": "find it"}


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_a_terminal(capsys, monkeypatch, variables, coloured):
    """On a terminal long messages are wrapped, and symbols are coloured unless NO_COLOR is set."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((50, 24)))
    print_report({"a": [ok("word " * 30)]})
    out = capsys.readouterr().out
    assert ("\x1b[32m" in out) is coloured
    assert max(len(line.replace("\x1b[32m", "").replace("\x1b[0m", "")) for line in out.splitlines()) <= 50


def test_an_encoding_without_the_symbols(monkeypatch):
    """If the terminal's encoding lacks the symbols, ASCII characters replace them."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    print_report(REPORT)
    out.flush()
    assert b"  + open\n" in out.buffer.getvalue()
    assert b"  x gone\n" in out.buffer.getvalue()
