"""`authd version`: the version, with aws-iam-authenticator's flags."""

from __future__ import annotations

import json
from collections.abc import Sequence

from authd import __version__
from authd.cli.reference import exits_text, shape_text
from authd.cli.shared.errors import CommandError
from authd.daemon.command_line.flags import GLOBAL_FLAGS, Flag, FlagError, parse_flags
from authd.daemon.command_line.program_name import Program

_FLAGS = (
    *GLOBAL_FLAGS,
    Flag("short", "the version alone", short="s", boolean=True),
    Flag("output", "text, json or yaml", short="o"),
    Flag("help", "this help", short="h", boolean=True),
)
_HELP = """\
usage: {0} version [-s] [-o FORMAT]

Print the version.

options:
  -h, --help           show this help message and exit
  -s, --short          print the version alone
  -o, --output FORMAT  text, json or yaml

examples:
  {0} version
  {0} version --output json
"""


def main(arguments: Sequence[str], program: Program) -> int:
    """Print the version. Raises `CommandError` for a wrong command line."""
    try:
        values, words = parse_flags(arguments, _FLAGS)
    except FlagError as error:
        raise CommandError(f"{error}; see {program.name} version --help") from None
    output = values.get("output") or ("json" if program.is_alias else "text")
    if words or output not in {"text", "json", "yaml"}:
        raise CommandError(f"version takes -s and -o text, json or yaml; see {program.name} version --help")
    if values.get("help") == "true":
        print("\n".join([_HELP.format(program.name), shape_text("version"), exits_text("version")]), end="")
    else:
        print(_text(output, short=values.get("short") == "true"))
    return 0


def _text(output: str, *, short: bool) -> str:
    if short:
        return __version__
    if output == "json":
        return json.dumps({"Version": __version__, "Program": "authd"})
    return f"authd {__version__}" if output == "text" else f"version: {__version__}\nprogram: authd"
