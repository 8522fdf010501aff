"""`authd completion SHELL`: prints a completion script, generated from the commands' parsers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from authd.cli.completion.bash import bash_script
from authd.cli.completion.fish import fish_script
from authd.cli.completion.syntax import Syntax, command_line_syntax
from authd.cli.completion.zsh import zsh_script
from authd.cli.reference import exits_text
from authd.cli.shared.errors import CommandError
from authd.daemon.command_line.flags import GLOBAL_FLAGS, FlagError, parse_flags
from authd.daemon.command_line.program_name import Program

_SCRIPTS: Mapping[str, Callable[[str, Mapping[str, Syntax]], str]] = MappingProxyType(
    {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}
)
_HELP = """\
usage: {0} completion bash|zsh|fish

Print a completion script for a shell.

examples:
  source <({0} completion bash)          in ~/.bashrc
  source <({0} completion zsh)           in ~/.zshrc, after compinit
  {0} completion fish | source           in ~/.config/fish/config.fish
"""


def main(arguments: Sequence[str], program: Program) -> int:
    """Print the script of a shell. Raises `CommandError` for an unknown shell."""
    try:
        words = parse_flags(arguments, GLOBAL_FLAGS).words
    except FlagError:
        words = []
    if {"-h", "--help"} & set(arguments):
        print(_HELP.format(program.name) + "\n" + exits_text("completion"), end="")
        return 0
    script = _SCRIPTS.get(words[0]) if len(words) == 1 else None
    if script is None:
        raise CommandError(f"completion takes a shell, bash, zsh or fish: {program.name} completion bash")
    print(script(program.name, command_line_syntax()), end="")
    return 0
