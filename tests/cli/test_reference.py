"""Every command has exit statuses and a shape of its JSON, and the documentation agrees with the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from authd.cli import main as cli
from authd.cli.commands import COMMANDS, GROUPS
from authd.cli.completion.syntax import command_line_syntax
from authd.cli.reference import COMMON, EXITS, SHAPES
from tests.cli.shapes import parsed

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "commands.md").read_text("utf-8")


def test_every_command_has_exit_statuses_and_a_group():
    """Every command has exit statuses and a group of `authd --help`."""
    assert set(EXITS) == set(COMMANDS)
    assert {command.group for command in COMMANDS.values()} == set(GROUPS)


def test_every_command_with_json_has_a_shape():
    """Exactly the commands that take `--output` have a shape."""
    takes = {
        name for name, syntax in command_line_syntax().items() if any("--output" in o.names for o in syntax.options)
    }
    variants = {"check FILE FILE", "migrate --to file"}
    assert takes - {"token"} == set(SHAPES) - variants
    without = {"server", "completion", "help", "token"}  # a log, scripts and texts, an ExecCredential
    assert {name.split()[0] for name in SHAPES} == set(COMMANDS) - without


@pytest.mark.parametrize("command", SHAPES)
def test_every_shape_is_tested(command):
    """A test compares each command's real output with its shape."""
    pattern = re.compile(rf'parsed\(\s*"{command}"|authd\(\w+, "{command}"')
    assert any(pattern.search(path.read_text("utf-8")) for path in TESTS.rglob("test_*.py"))


@pytest.mark.parametrize("command", [name for name, command in COMMANDS.items() if not command.is_direct])
def test_help_has_both(command, capsys):
    """`--help` has the exit statuses and the shape after the examples."""
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    out = capsys.readouterr().out
    assert "\nexit status:\n" in out
    assert f"  0  {EXITS[command].success}\n" in out
    assert "\nJSON (" in out


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "token"])
def test_help_has_an_example(command, capsys, monkeypatch):
    """The help of each command has an example."""
    monkeypatch.setattr("sys.argv", ["authd", command, "--help"])
    try:
        cli.main([command, "--help"])
    except SystemExit as end:
        assert end.code == 0
    assert re.search(rf"(?i)\bexamples?:\s.*authd {command}\b", capsys.readouterr().out, re.DOTALL)


def test_the_page_has_the_exit_statuses():
    """The table on the page has every command's statuses."""
    rows = dict(re.findall(r"(?m)^\| `([a-z-]+)` (\|.*)$", PAGE.partition("## JSON")[0]))
    assert rows == {
        name: f"| {exits.success} | {exits.no or '–'} | {exits.unusable} |" for name, exits in EXITS.items()
    }
    for status, meaning in COMMON.items():
        assert f"| {status} | {meaning} |" in PAGE


def test_the_page_has_the_shapes():
    """The page shows the shape of each command's output."""
    found = re.findall(r"(?m)^### ([A-Za-z, -]+)\n\n```json\n(.*?)^```$", PAGE, re.DOTALL)
    shown = {name: json.loads(text) for names, text in found for name in names.split(", ")}
    assert shown == SHAPES


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"changed": True, "dryRun": False, "diff": ""}, False),
        ({"changed": True, "dryRun": False}, True),
        ({"changed": 1, "dryRun": False, "diff": ""}, True),
        ({"changed": True, "dryRun": False, "diff": "", "more": 1}, True),
        ([], True),
    ],
)
def test_the_comparison_finds_faults(value, fault):
    """A missing, wrong or undocumented member is a fault."""
    if fault:
        with pytest.raises(AssertionError):
            parsed("add", json.dumps(value))
    else:
        parsed("add", json.dumps(value))
