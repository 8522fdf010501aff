"""`authd`: the command line. The module of a command is imported only if the command is used."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from authd import __version__
from authd.cli.commands import COMMANDS, GROUPS, add_global_flags, command_of
from authd.cli.reference import common_exits_text, exits_text, filled, shape_text
from authd.cli.shared.endings import UNUSABLE, run_reporting_errors
from authd.cli.shared.errors import CommandError
from authd.daemon.command_line.program_name import Program, called_as

#: The exit status of aws-iam-authenticator for every error.
_FAILED = 1

#: The packages of the extra `daemon`. The base installation is for laptops and has no Twisted.
_DAEMON_PACKAGES = frozenset(
    {
        "constantly", "cryptography", "httptools", "hyperlink", "OpenSSL", "prometheus_client", "service_identity",
        "treq", "twisted", "zope",
    }
)  # fmt: skip

_EXAMPLES = """\
examples:
  authd server --config=/etc/authd/config.yaml   the daemon, in this process
  authd check /etc/authd/config.yaml             every error and warning of a settings file
  authd explain -c config.yaml arn:aws:iam::111122223333:role/Admin --session alice
  authd-token -i my-cluster --token-only | authd verify -i my-cluster -t -
  sudo authd init -c /etc/authd/config.yaml      certificates and the webhook kubeconfig, before the daemon starts
  authd demo                                     a login from end to end on loopback, without an AWS account

Under systemd, twistd runs the daemon:
  twistd --nodaemon --pidfile= authd --config /etc/authd/config.yaml

Called as aws-iam-authenticator or heptio-authenticator-aws (see authd install-links), authd has the defaults, output
streams and exit statuses of that program.
"""


class ParsedCommand(Protocol):
    """The module of a command whose arguments argparse parses."""

    def add_parser(self, subparsers: argparse._SubParsersAction[argparse.ArgumentParser], /) -> None:
        """Add the command's parser."""
        ...

    def run(self, args: argparse.Namespace, /) -> int:
        """Run the command and return the exit status. Raises `CommandError` or `ConfigError`."""
        ...


class DirectCommand(Protocol):
    """The module of a command that parses its arguments itself."""

    def main(self, arguments: Sequence[str], program: Program, /) -> int:
        """Run the command and return the exit status. Raises `CommandError` or `ConfigError`."""
        ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `authd` with these arguments, or the process's own, and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    program = called_as(sys.argv[0])
    status = _status(given, program)
    return _FAILED if program.is_alias and status == UNUSABLE else status


def _status(given: list[str], program: Program) -> int:
    try:
        return run_reporting_errors(lambda: _run(given, program), "authd")
    except SystemExit as end:
        if program.is_alias and end.code == UNUSABLE:  # argparse's own, for a wrong command line
            return UNUSABLE
        raise


def _run(given: list[str], program: Program) -> int:
    name, arguments = command_of(given)
    command = COMMANDS.get(name)
    if command is None:
        parser(program).parse_args(given)  # exits after help, version or a usage error
        raise CommandError(f"no command in {' '.join(given)[:64]!r}: see {program.name} --help")
    module = _load(name, command.module)
    if command.is_direct:
        return cast("DirectCommand", module).main(arguments, program)
    args = parser(program, name, cast("ParsedCommand", module)).parse_args([name, *arguments])
    args.program = program
    return cast("ParsedCommand", module).run(args)


def parser(program: Program, used: str = "", module: ParsedCommand | None = None) -> argparse.ArgumentParser:
    """Return the parser of the command line. Only the command that is used has its arguments."""
    top = argparse.ArgumentParser(
        prog=program.name,
        usage=f"{program.name} [-h] [--version] COMMAND ...",
        description=filled("Log in to Kubernetes with AWS IAM: the daemon, its tools and the credential plugin."),
        epilog=filled(f"{_groups()}\n{_EXAMPLES}\n{common_exits_text()}"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"authd {__version__}")
    subparsers = top.add_subparsers(
        dest="command", metavar="COMMAND", required=True, help=argparse.SUPPRESS, prog=program.name
    )
    for name in COMMANDS:
        if name == used and module is not None:
            module.add_parser(subparsers)
            add_global_flags(subparsers.choices[name])
            _add_reference(name, subparsers.choices[name])
        else:
            subparsers.add_parser(name, add_help=False)
    return top


def _groups() -> str:
    """Return the commands by group, for the help."""
    lines = []
    for group in GROUPS:
        lines.append(f"{group}:")
        lines += [f"    {name:13} {each.summary}" for name, each in COMMANDS.items() if each.group == group]
        lines.append("")
    return "\n".join(lines)


def _add_reference(name: str, command: argparse.ArgumentParser) -> None:
    """Add exit statuses and the shape of the JSON output to the help of a command."""
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.description = filled(command.description or "")
    command.epilog = filled("\n".join(part for part in (command.epilog, shape_text(name), exits_text(name)) if part))


def _load(name: str, module: str) -> object:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _DAEMON_PACKAGES:
            raise
        message = (
            f"authd {name} needs the daemon's packages ({error.name} is missing): install authd with the extra "
            "`daemon` from the clone, the wheel or the package, see README.md"
        )
        raise CommandError(message) from None


if __name__ == "__main__":
    sys.exit(main())
