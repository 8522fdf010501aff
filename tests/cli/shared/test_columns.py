from __future__ import annotations

import os
import sys

import pytest

from authd.cli.shared.columns import print_columns
from authd.cli.shared.output import print_table, problem_as_text, wrapped
from authd.core.errors import Problem

ARN = "arn:aws:iam::111122223333:role/Administrators"
ROWS = [["2026-11-27", ARN], ["2026-11-28", "short"]]


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that makes standard output a terminal of some columns."""

    def of(columns):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((columns, 24)))

    return of


def test_columns_in_a_file(capsys):
    """Without a terminal nothing is cut."""
    print_columns(("TIME", "ARN"), ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "TIME        ARN", f"2026-11-27  {ROWS[0][1]}", "2026-11-28  short",
    ]  # fmt: skip


def test_columns_on_a_terminal(capsys, terminal):
    """On a terminal the widest column is cut, so that each row fits a line."""
    terminal(30)
    print_columns(("TIME", "ARN"), ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 30
    assert lines[1] == "2026-11-27  arn:aws:iam::1111…"


def test_a_very_narrow_terminal(capsys, terminal):
    """If the columns don't fit, each cell is printed on its own line."""
    terminal(20)
    print_columns(("TIME", "REASON"), [["2026-11-27", "unknown_access_key"], ["2026-11-28", ""]])
    assert capsys.readouterr().out.splitlines() == [
        "TIME 2026-11-27", "REASON unknown_access_key", "", "TIME 2026-11-28", "",
    ]  # fmt: skip


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_names_and_values_fit(capsys, terminal, columns):
    """On a terminal long values are wrapped within their column, and ARNs are not broken."""
    terminal(columns)
    print_table([("message", "no mapping matches: " + "word " * 30), ("ARN", ARN)])
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if ARN not in line) <= columns
    assert any(ARN in line for line in lines)
    assert " ".join(" ".join(lines).split()).startswith("message no mapping matches: word word")


def test_values_in_a_file(capsys):
    """Without a terminal a value is not wrapped."""
    print_table([("message", "word " * 60)])
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_continuation_is_indented(terminal):
    """A wrapped line keeps its indentation, and its continuation is indented further."""
    terminal(30)
    assert wrapped("  MountedFile: 4 rules, changed 3 s ago, from here", 4).splitlines() == [
        "  MountedFile: 4 rules,", "      changed 3 s ago, from", "      here",
    ]  # fmt: skip


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_caret_is_below_its_place(terminal, columns):
    """A problem's line is cut to the terminal's width, with the caret below the fault."""
    terminal(columns)
    line = "x" * 70 + "FAULT" + "y" * 70
    shown, caret = problem_as_text(Problem(file="f", line=1, column=71, message="m"), "error", [line]).splitlines()[1:]
    assert len(shown) <= columns
    assert shown[caret.index("^") :].startswith("FAULT")
