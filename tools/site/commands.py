"""Print the reference page of the commands and their subcommands, each with the text of its --help.

python -m tools.site.commands
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator

from authd.cli.commands import COMMANDS
from authd.cli.main import parser
from authd.daemon.command_line.program_name import called_as

_HEAD = """\
# Commands

This page lists every command with the text of its `--help`, generated from the code. [authd-token](../authd-token.md)
describes the plugin in detail.
"""
#: Commands without a section: `authd token` is authd-token, and `authd help` shows these texts.
_OMITTED = frozenset({"token", "help"})
_WIDTH = "100"


def page() -> str:
    """Return the page."""
    os.environ["COLUMNS"] = _WIDTH  # argparse wraps lines to it
    parts = [f"## {name}\n\n```text\n{text.rstrip()}\n```\n" for name, text in helps()]
    return "\n".join([_HEAD, *parts])


def helps() -> Iterator[tuple[str, str]]:
    """Yield each command line without options, and its help text."""
    yield "authd", _printed("authd.cli.main")
    yield "authd-token", _printed("authd.client")
    for name, command in COMMANDS.items():
        if name in _OMITTED:
            continue
        if command.is_direct:
            yield f"authd {name}", _printed("authd.cli.main", name)
        else:
            top = parser(called_as("authd"), name, importlib.import_module(command.module))
            yield from _tree(f"authd {name}", _subcommands(top)[name])


def _tree(name: str, command: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    yield name, command.format_help()
    for word, subcommand in _subcommands(command).items():
        yield from _tree(f"{name} {word}", subcommand)


def _subcommands(command: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            found.update(action.choices)
    return found


def _printed(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments, "--help"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.stdout.write(page())
