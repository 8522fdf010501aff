"""The syntax of the command line for completion scripts: commands, options and their values."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from authd.cli.commands import COMMANDS
from authd.client.fast.flags import SHORT_OPTIONS, SWITCHES, VALUES
from authd.daemon.command_line.flags import GLOBAL_FLAGS, SERVER_FLAGS, Flag

SHELLS = ("bash", "zsh", "fish")
#: Metavars of arguments that are paths.
_PATHS = frozenset({"FILE", "DIR", "OLD", "NEW", "AUDITLOG"})
#: Allowed values of the server's flags.
_FLAG_VALUES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"log-format": ("text", "json", "auto"), "log-verbosity": ("debug", "info", "warning")}
)
#: Flags of the server whose value is a path.
_FLAG_PATHS = frozenset(
    {"config", "state-dir", "generate-kubeconfig", "kubeconfig", "dynamicfilepath", "dynamicBackendModePath"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option with all its names. `values` are its allowed values, empty if others are possible."""

    names: tuple[str, ...]
    takes_value: bool = False
    values: tuple[str, ...] = ()
    is_path: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Syntax:
    """The arguments of a command: its options, and its subcommands or other fixed `words`."""

    summary: str
    options: tuple[Option, ...] = ()
    words: tuple[str, ...] = ()
    takes_path: bool = False


def command_line_syntax() -> dict[str, Syntax]:
    """Return the syntax of each command, such as `check` or `kubeconfig add`. The empty name is `authd` itself."""
    top = Syntax(
        summary="",
        options=(*map(_from_flag, GLOBAL_FLAGS), Option(names=("--help",)), Option(names=("--version",))),
        words=tuple(COMMANDS),
    )
    syntax = {"": top, **_direct_commands()}
    for name, command in COMMANDS.items():
        if not command.is_direct:
            syntax |= _parsed_command(name, command.module)
    return {name: syntax[name] for name in ("", *sorted(syntax.keys() - {""}))}


def _direct_commands() -> dict[str, Syntax]:
    """Return the syntax of the commands that don't use argparse."""
    token = tuple(_token_option(name) for name in (*VALUES, *SWITCHES, "--why"))
    version = (
        Option(names=("--output", "-o"), takes_value=True, values=("text", "json", "yaml")),
        Option(names=("-s",)),
    )
    return {
        "server": Syntax(summary=COMMANDS["server"].summary, options=tuple(map(_from_flag, SERVER_FLAGS))),
        "token": Syntax(summary=COMMANDS["token"].summary, options=token),
        "version": Syntax(summary=COMMANDS["version"].summary, options=version),
        "help": Syntax(summary=COMMANDS["help"].summary, words=tuple(COMMANDS)),
        "completion": Syntax(summary=COMMANDS["completion"].summary, words=SHELLS),
    }


def _from_flag(flag: Flag) -> Option:
    short = (f"-{flag.short}",) if flag.short else ()
    return Option(
        names=(f"--{flag.name}", *short),
        takes_value=not flag.boolean,
        values=_FLAG_VALUES.get(flag.name, ()),
        is_path=flag.name in _FLAG_PATHS,
    )


def _token_option(name: str) -> Option:
    short = tuple(each for each, long in SHORT_OPTIONS.items() if long == name)
    values = ("text", "json") if name == "--log-format" else ()
    return Option(names=(name, *short), takes_value=name in VALUES, values=values, is_path=name == "--config")


class _RecordingParser(argparse.ArgumentParser):
    """A parser that records its arguments and subcommands."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.actions: list[argparse.Action] = []
        self.commands: argparse._SubParsersAction[_RecordingParser] | None = None
        super().__init__(*args, **options)

    def add_argument(self, *args: Any, **options: Any) -> argparse.Action:
        """Add an argument and record it."""
        action = super().add_argument(*args, **options)
        self.actions.append(action)
        return action

    def add_subparsers(self, **options: Any) -> Any:
        """Add subcommands and record them."""
        self.commands = super().add_subparsers(**options)
        return self.commands


def _parsed_command(name: str, module_name: str) -> dict[str, Syntax]:
    try:
        module: Any = importlib.import_module(module_name)
    except ModuleNotFoundError:
        return {name: Syntax(summary=COMMANDS[name].summary)}  # the daemon's packages are missing
    subparsers = _RecordingParser().add_subparsers()
    module.add_parser(subparsers)
    return _from_parser(name, COMMANDS[name].summary, subparsers.choices[name])


def _from_parser(name: str, summary: str, parser: _RecordingParser) -> dict[str, Syntax]:
    """Return the syntax of a command and of its subcommands."""
    nested = parser.commands.choices if parser.commands is not None else {}
    positional = [action for action in parser.actions if not action.option_strings]
    words = [str(word) for action in positional for word in action.choices or ()]
    own = Syntax(
        summary=summary,
        options=tuple(_from_action(a) for a in parser.actions if a.option_strings and a.help != argparse.SUPPRESS),
        words=(*nested, *words),
        takes_path=any(action.metavar in _PATHS for action in positional),
    )
    syntax = {name: own}
    for each, inner in nested.items():
        syntax |= _from_parser(f"{name} {each}", _first_sentence(inner.description or ""), inner)
    return syntax


def _first_sentence(text: str) -> str:
    return re.split(r"[.,:] ", " ".join(text.split()))[0].rstrip(".")


def _from_action(action: argparse.Action) -> Option:
    return Option(
        names=tuple(sorted(action.option_strings, key=len, reverse=True)),
        takes_value=action.nargs != 0,
        values=tuple(map(str, action.choices or ())),
        is_path=action.metavar in _PATHS,
    )


def function_name(program: str) -> str:
    """Return the shell function's name for a program, without a leading underscore."""
    return re.sub(r"\W", "_", program)


def command_names(syntax: Mapping[str, Syntax]) -> Sequence[str]:
    """Return the names of commands and subcommands, without the empty one."""
    return [name for name in syntax if name]
