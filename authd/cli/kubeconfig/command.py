"""`authd kubeconfig` and `kubectl authd`: users of the kubeconfig that log in with authd-token."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from types import MappingProxyType

from authd.cli.kubeconfig import add, convert, login_test
from authd.cli.reference import filled, shape_text
from authd.cli.shared.endings import run_reporting_errors

_DESCRIPTION = "Write, convert and test the users of a kubeconfig that log in with authd-token."
#: Arguments by command, for the examples of the help.
_EXAMPLES = MappingProxyType(
    {
        "add": "my-cluster --role arn:aws:iam::111122223333:role/Admin --use",
        "convert": "--dry-run",
        "test": "--context my-cluster",
    }
)
_COMMANDS = MappingProxyType({"add": add, "convert": convert, "test": login_test})


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
    return run_reporting_errors(lambda: run(parser.parse_args(arguments)), parser.prog)


def _add_commands(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _examples(parser.prog, *_COMMANDS)
    commands = parser.add_subparsers(dest="kubeconfig_command", metavar="COMMAND", title="commands", required=True)
    for name, module in _COMMANDS.items():
        module.add_parser(commands)
        commands.choices[name].formatter_class = argparse.RawDescriptionHelpFormatter
        commands.choices[name].description = filled(commands.choices[name].description or "")
        commands.choices[name].epilog = f"{_examples(parser.prog, name)}\n{shape_text(f'kubeconfig {name}')}"


def _examples(program: str, *commands: str) -> str:
    return "\n".join(["examples:", *(f"  {program} {name} {_EXAMPLES[name]}" for name in commands), ""])
