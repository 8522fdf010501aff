"""`authd completion SHELL`: a completion script, made of the commands and the flags in their help."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from authd.cli.commands import COMMANDS
from authd.cli.shared.errors import CommandError
from authd.client.output.help_text import HELP
from authd.daemon.command_line.flags import GLOBAL_FLAGS, SERVER_FLAGS, FlagError, parse_flags
from authd.daemon.command_line.program_name import Program

_LONG_FLAG = re.compile(r"(?<![\w-])--[a-z][A-Za-z0-9-]+")

_BASH = """\
# bash completion for {program}: source <({program} completion bash)
_{function}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} command= each
    for each in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $each in -*) ;; *) command=$each; break ;; esac
    done
    case $command in
{cases}
        *) COMPREPLY=($(compgen -W "{commands}" -- "$word")) ;;
    esac
}}
complete -o default -F _{function} {program}
"""
_ZSH = """\
#compdef {program}
# zsh completion for {program}: source <({program} completion zsh)
autoload -Uz bashcompinit && bashcompinit
{bash}"""


def main(arguments: Sequence[str], program: Program) -> int:
    """Print the script of a shell. Raises `CommandError` for an unknown shell."""
    try:
        words = parse_flags(arguments, GLOBAL_FLAGS).words
    except FlagError:
        words = []
    if {"-h", "--help"} & set(arguments):
        print(f"usage: {program.name} completion bash|zsh|fish\n\nPrint a completion script for a shell.")
        return 0
    shell = words[0] if len(words) == 1 else ""
    if shell not in {"bash", "zsh", "fish"}:
        raise CommandError(f"completion takes a shell, bash, zsh or fish: {program.name} completion bash")
    print(_script(shell, program.name), end="")
    return 0


def _script(shell: str, program: str) -> str:
    flags = {name: _flags(name) for name in COMMANDS}
    if shell == "fish":
        return _fish(program, flags)
    cases = "\n".join(
        f'        {name}) COMPREPLY=($(compgen -W "{" ".join(each)}" -- "$word")) ;;' for name, each in flags.items()
    )
    function = re.sub(r"\W", "_", program)
    bash = _BASH.format(program=program, function=function, cases=cases, commands=" ".join(COMMANDS))
    return bash if shell == "bash" else _ZSH.format(program=program, bash=bash)


def _fish(program: str, flags: Mapping[str, Sequence[str]]) -> str:
    lines = [f"# fish completion for {program}: {program} completion fish | source"]
    for name, command in COMMANDS.items():
        summary = command.summary.replace("'", "")
        lines.append(f"complete -c {program} -n __fish_use_subcommand -f -a {name} -d '{summary}'")
        lines += [
            f"complete -c {program} -n '__fish_seen_subcommand_from {name}' -l {flag.removeprefix('--')}"
            for flag in flags[name]
        ]
    return "\n".join(lines) + "\n"


def _flags(name: str) -> list[str]:
    if name == "server":
        return [f"--{flag.name}" for flag in SERVER_FLAGS]
    if name == "token":
        return sorted(set(_LONG_FLAG.findall(HELP)))
    if COMMANDS[name].is_direct:
        return [] if name != "version" else ["--output", "--short"]
    return _flags_of_parser(name)


def _flags_of_parser(name: str) -> list[str]:
    try:
        module: Any = importlib.import_module(COMMANDS[name].module)
    except ModuleNotFoundError:
        return []  # the daemon's packages are missing, and so is the command
    subparsers = argparse.ArgumentParser().add_subparsers()
    module.add_parser(subparsers)
    text = subparsers.choices[name].format_help().partition("\noptions:\n")[2].partition("\n\n")[0]
    return sorted(set(_LONG_FLAG.findall(text)))
