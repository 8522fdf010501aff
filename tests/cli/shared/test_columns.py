from __future__ import annotations

import os
import sys

from authd.cli.shared.columns import print_columns

ROWS = [["2026-11-27", "arn:aws:iam::111122223333:role/Administrators"], ["2026-11-28", "short"]]


def test_columns_in_a_file(capsys):
    """Without a terminal nothing is cut."""
    print_columns(("TIME", "ARN"), ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "TIME        ARN", f"2026-11-27  {ROWS[0][1]}", "2026-11-28  short",
    ]  # fmt: skip


def test_columns_on_a_terminal(capsys, monkeypatch):
    """On a terminal the widest column is cut, so that each row fits a line."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((30, 24)))
    print_columns(("TIME", "ARN"), ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 30
    assert lines[1] == "2026-11-27  arn:aws:iam::1111…"


def test_a_very_narrow_terminal(capsys, monkeypatch):
    """Columns keep a readable width, also if the rows then don't fit."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((5, 24)))
    print_columns(("TIME", "ARN"), ROWS)
    assert capsys.readouterr().out.splitlines()[1] == "2026-11-27  arn:aws:iam…"
