"""`authd server`: runs the daemon in this process, with the same code as `twistd authd`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from twisted.python import usage
from twisted.scripts import twistd

from authd.cli.shared.errors import CommandError
from authd.daemon.command_line.options import Options
from authd.daemon.command_line.program_name import Program


def main(arguments: Sequence[str], program: Program) -> int:
    """Run the daemon until it is stopped. Raises `CommandError` for a wrong command line."""
    try:
        Options().parse(arguments)
    except usage.UsageError as error:
        raise CommandError(f"{error}; see {program.name} server --help") from None
    sys.argv[1:] = ["--nodaemon", "--pidfile=", "authd", *arguments]
    run: Callable[[], None] = twistd.run
    run()
    return 0
