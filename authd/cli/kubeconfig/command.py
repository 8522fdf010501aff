"""`authd kubeconfig` and `kubectl authd`: users of the kubeconfig that log in with authd-token."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import MappingProxyType

from authd.cli.kubeconfig import add, convert, login_test
from authd.cli.reference import filled, shape_text
from authd.cli.shared.errors import CommandError

_DESCRIPTION = "Write, convert and test the users of a kubeconfig that log in with authd-token."
_COMMANDS = MappingProxyType({"add": add, "convert": convert, "test": login_test})
_FAILED, _INTERRUPTED = 2, 130


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd kubeconfig`."""
    parser = subparsers.add_parser(
        "kubeconfig", help="write, convert and test kubeconfig users", description=_DESCRIPTION, allow_abbrev=False
    )
    _add_commands(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command that was chosen."""
    status: int = _COMMANDS[args.kubeconfig_command].run(args)
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `kubectl-authd`, which kubectl finds on PATH for `kubectl authd`."""
    parser = argparse.ArgumentParser(prog="kubectl authd", description=_DESCRIPTION, allow_abbrev=False)
    _add_commands(parser)
    try:
        return run(parser.parse_args(arguments))
    except CommandError as error:
        print(f"kubectl authd: {error}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED


def _add_commands(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="kubeconfig_command", metavar="COMMAND", title="commands", required=True)
    for name, module in _COMMANDS.items():
        module.add_parser(commands)
        commands.choices[name].formatter_class = argparse.RawDescriptionHelpFormatter
        commands.choices[name].description = filled(commands.choices[name].description or "")
        commands.choices[name].epilog = shape_text(f"kubeconfig {name}")
