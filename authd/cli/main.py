"""`authd`: the command line. Each command's module is imported only when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, cast

from authd import __version__
from authd.cli.errors import CommandError
from authd.core.errors import ConfigError

#: What every command ends with where something outside of it can't be used: settings, files, packages.
UNUSABLE = 2
_INTERRUPTED = 130

#: The packages that `authd[daemon]` brings: the base installation is a laptop's and has no Twisted.
_DAEMON_PACKAGES = frozenset(
    {
        "constantly", "cryptography", "httptools", "hyperlink", "OpenSSL", "prometheus_client", "service_identity",
        "treq", "twisted", "zope",
    }
)  # fmt: skip

_EXAMPLES = """\
examples:
  authd check /etc/authd/config.yaml             every error and warning of a settings file
  authd explain -c config.yaml arn:aws:iam::111122223333:role/Admin --session alice
  authd-token -i my-cluster --token-only | authd verify -i my-cluster -t -
  sudo authd init -c /etc/authd/config.yaml      certificates and the webhook kubeconfig, before the daemon starts
  authd demo                                     the whole path on loopback, without an AWS account

The daemon itself is run by twistd: twistd --nodaemon --pidfile= authd --config /etc/authd/config.yaml
"""


class CommandModule(Protocol):
    """What the module of a command has."""

    def add_parser(self, subparsers: argparse._SubParsersAction[argparse.ArgumentParser], /) -> None:
        """Add the command's own parser."""
        ...

    def run(self, args: argparse.Namespace, /) -> int:
        """Do it and return the exit status; raises `CommandError` or `ConfigError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: the module that has it, empty for `token`, and the line that `authd --help` shows."""

    module: str
    summary: str


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "token": Command(module="", summary="print a credential for kubectl; the same as authd-token"),
        "init": Command(module="authd.cli.init", summary="make certificates and the webhook kubeconfig"),
        "check": Command(module="authd.cli.check", summary="show every error and warning of a settings file"),
        "explain": Command(module="authd.cli.explain", summary="say which mapping an ARN matches, and as whom"),
        "verify": Command(module="authd.cli.verify", summary="verify a token at STS, as the daemon does"),
        "reload": Command(module="authd.cli.reload", summary="have the daemon look at its settings file now"),
        "demo": Command(module="authd.cli.demo.command", summary="show the whole path on loopback, without AWS"),
    }
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `authd` with these arguments, or the process's own, and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        try:
            return _token(given[1:]) if given[:1] == ["token"] else _run(given)
        finally:
            sys.stdout.flush()  # here, where a reader who has gone away can be taken note of
    except (CommandError, ConfigError) as error:
        _complain(str(error))
        return UNUSABLE
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter's own last flush complains
        return 1
    except Exception as error:  # noqa: BLE001  # a traceback helps nobody here, and could show a token
        _complain(f"internal error ({type(error).__name__}{_place(error)}); please report it")
        return UNUSABLE


def _token(given: list[str]) -> int:
    # Its options are the credential plugin's own, and it must be fast.
    from authd.client.main import main as token

    return token(given)


def _run(given: list[str]) -> int:
    wanted = next((word for word in given if not word.startswith("-")), None)
    parser = _parser()
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", required=True)
    modules: dict[str, CommandModule] = {}
    for name, command in COMMANDS.items():
        if name == wanted and command.module:
            modules[name] = _load(name, command.module)
            modules[name].add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=command.summary, add_help=False)
    args = parser.parse_args(given)
    return modules[args.command].run(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="authd",
        description="Log in to Kubernetes with AWS IAM: what surrounds the daemon and the credential plugin.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"authd {__version__}")
    return parser


def _load(name: str, module: str) -> CommandModule:
    try:
        return cast("CommandModule", importlib.import_module(module))
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _DAEMON_PACKAGES:
            raise
        message = (
            f"authd {name} needs the daemon's packages ({error.name} is missing): install authd with the extra "
            "`daemon` from the clone, the wheel or the package, see README.md"
        )
        raise CommandError(message) from None


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" at {trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}"


def _complain(message: str) -> None:
    for line in message.splitlines():
        print(f"authd: {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
