"""`authd help [COMMAND]`: the same as `authd COMMAND --help`."""

from __future__ import annotations

from collections.abc import Sequence

from authd.cli import main as command_line
from authd.daemon.command_line.flags import GLOBAL_FLAGS, FlagError, parse_flags
from authd.daemon.command_line.program_name import Program


def main(arguments: Sequence[str], program: Program) -> int:
    """Print the help of a command, or the list of commands."""
    try:
        words = parse_flags(arguments, GLOBAL_FLAGS).words
    except FlagError:
        words = []
    if {"-h", "--help"} & set(arguments) or words[:1] == ["help"]:
        print(f"usage: {program.name} help [COMMAND]\n\nPrint the help of a command, or the list of commands.")
        return 0
    if not words:
        command_line.parser(program).print_help()
        return 0
    return command_line.main([words[0], "--help"])
