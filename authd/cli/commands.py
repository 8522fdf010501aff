"""The commands of `authd`. Finds the command in a command line."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from authd.daemon.command_line.flags import GLOBAL_FLAGS, SERVER_FLAGS, Flag


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: its module, its group and line in `authd --help`, and whether it parses its arguments itself."""

    module: str
    group: str
    summary: str
    is_direct: bool = False


DAEMON, TROUBLESHOOTING, MAPPINGS = "daemon", "troubleshooting", "mappings"
CLIENTS, OTHER = "clients", "other"
#: In the order of `authd --help`.
GROUPS = (DAEMON, TROUBLESHOOTING, MAPPINGS, CLIENTS, OTHER)

COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "server": Command(
            module="authd.cli.server", group=DAEMON, summary="run the daemon in this process", is_direct=True
        ),
        "token": Command(
            module="authd.cli.token",
            group=CLIENTS,
            summary="print a credential for kubectl, as authd-token",
            is_direct=True,
        ),
        "kubeconfig": Command(
            module="authd.cli.kubeconfig.command", group=CLIENTS, summary="write, convert and test kubeconfig users"
        ),
        "init": Command(
            module="authd.cli.bootstrap.init", group=DAEMON, summary="make certificates and the webhook kubeconfig"
        ),
        "rotate-ca": Command(
            module="authd.cli.bootstrap.rotate_ca",
            group=DAEMON,
            summary="change the CA of the webhook without a refused login",
        ),
        "check": Command(
            module="authd.cli.check", group=MAPPINGS, summary="print every error and warning of a settings file"
        ),
        "explain": Command(module="authd.cli.explain", group=MAPPINGS, summary="print the mapping that an ARN matches"),
        "doctor": Command(
            module="authd.cli.doctor.command",
            group=TROUBLESHOOTING,
            summary="check the whole installation, with a fix for each fault",
        ),
        "why": Command(
            module="authd.cli.why.command",
            group=TROUBLESHOOTING,
            summary="show the decision behind a reference, and the next step",
        ),
        "diff": Command(
            module="authd.cli.why.diff",
            group=MAPPINGS,
            summary="show the logins that a change of the mappings adds or removes",
        ),
        "verify": Command(
            module="authd.cli.verify.command",
            group=TROUBLESHOOTING,
            summary="verify a token at STS, as the daemon does",
        ),
        "add": Command(
            module="authd.cli.mappings.add", group=MAPPINGS, summary="add a mapping to aws-auth or custom resources"
        ),
        "remove": Command(
            module="authd.cli.mappings.remove",
            group=MAPPINGS,
            summary="remove a mapping from aws-auth or custom resources",
        ),
        "list": Command(
            module="authd.cli.mappings.list_rules",
            group=MAPPINGS,
            summary="print the mappings in aws-auth or custom resources",
        ),
        "migrate": Command(
            module="authd.cli.mappings.migrate", group=MAPPINGS, summary="copy mappings from one source to another"
        ),
        "reload": Command(
            module="authd.cli.reload", group=DAEMON, summary="make the daemon check its settings file now"
        ),
        "status": Command(
            module="authd.cli.status", group=TROUBLESHOOTING, summary="show the state of the running daemon"
        ),
        "demo": Command(
            module="authd.cli.demo.command", group=OTHER, summary="show a login from end to end, without AWS"
        ),
        "install-links": Command(
            module="authd.cli.install_links", group=OTHER, summary="link the names of aws-iam-authenticator to authd"
        ),
        "completion": Command(
            module="authd.cli.completion.command",
            group=OTHER,
            summary="print a completion script for bash, zsh or fish",
            is_direct=True,
        ),
        "version": Command(module="authd.cli.version", group=OTHER, summary="print the version", is_direct=True),
        "help": Command(module="authd.cli.help", group=OTHER, summary="print the help of a command", is_direct=True),
    }
)


def command_of(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Return the command of a command line, and the arguments for it. Flags for every command may precede it.

    Without a command, flags of the server mean `server`. Returns an empty name if there are none either.
    """
    index = 0
    while index < len(arguments) and (flag := _flag(arguments[index], GLOBAL_FLAGS)) is not None:
        index += 1 if flag.boolean or "=" in arguments[index] else 2
    word = arguments[index] if index < len(arguments) else ""
    if word and not word.startswith("-"):
        return word, [*arguments[:index], *arguments[index + 1 :]]
    if word not in {"-h", "--help", "--version"} and arguments and _flag(arguments[0], SERVER_FLAGS) is not None:
        return "server", list(arguments)
    return "", list(arguments)


def add_global_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that aws-iam-authenticator accepts for every command. They have no effect here."""
    for flag in GLOBAL_FLAGS:
        if not flag.setting and flag.name != "config":
            parser.add_argument(f"--{flag.name}", *([f"-{flag.short}"] if flag.short else []), help=argparse.SUPPRESS)


def _flag(argument: str, flags: Sequence[Flag]) -> Flag | None:
    """Return the flag that an argument names, None if it isn't one of `flags`."""
    name = argument.partition("=")[0]
    return next((flag for flag in flags if name == f"--{flag.name}" or (flag.short and name == f"-{flag.short}")), None)
