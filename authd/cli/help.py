"""`authd help [COMMAND]`: the same as `authd COMMAND --help`."""

from __future__ import annotations

from collections.abc import Sequence

from authd.cli import main as command_line
from authd.cli.shared.errors import CommandError
from authd.daemon.command_line.flags import GLOBAL_FLAGS, FlagError, parse_flags
from authd.daemon.command_line.program_name import Program

_HELP = """\
usage: {0} help [COMMAND]

Print the help of a command, or the list of commands.

examples:
  {0} help
  {0} help why
"""


def main(arguments: Sequence[str], program: Program) -> int:
    """Print the help of a command, or the list of commands. Raises `CommandError` for a wrong command line."""
    asked = {"-h", "--help"} & set(arguments)
    try:
        words = [] if asked else parse_flags(arguments, GLOBAL_FLAGS).words
    except FlagError as error:
        raise CommandError(f"{error}; see {program.name} help --help") from None
    if asked or words[:1] == ["help"]:
        print(_HELP.format(program.name), end="")
        return 0
    if not words:
        command_line.parser(program).print_help()
        return 0
    return command_line.main([words[0], "--help"])
