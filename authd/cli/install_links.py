"""`authd install-links DIR`: links with the names of aws-iam-authenticator and its predecessor."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from authd.cli.shared.errors import CommandError
from authd.cli.shared.output import add_output_option, print_json, print_text
from authd.daemon.command_line.program_name import ALIASES

_DESCRIPTION = """\
Link aws-iam-authenticator and heptio-authenticator-aws in a folder to this authd. Called by these names, authd has the
default paths, output streams and exit statuses of that program, so that manifests and kubeconfigs that name it stay as
they are.
"""
_EXAMPLE = """\
example:
  sudo authd install-links /usr/local/bin
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd install-links`."""
    parser = subparsers.add_parser(
        "install-links",
        help="link the names of aws-iam-authenticator to authd",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("folder", metavar="DIR", help="the folder of the links, preferably on PATH")
    add_output_option(parser)


def run(args: argparse.Namespace) -> int:
    """Create the links that are missing. Raises `CommandError` if another program has the name."""
    target = _this_program()
    links = [Path(args.folder) / program.name for program in ALIASES]
    made = [link for link in links if _link(link, target)]
    if args.output == "json":
        print_json(
            {"target": str(target), "links": [str(link) for link in links], "made": [str(link) for link in made]}
        )
    else:
        for link in links:
            print_text(f"{'linked' if link in made else 'kept':7}{link} -> {target}")
    return 0


def _link(link: Path, target: Path) -> bool:
    """Create a link, and return whether it was missing."""
    try:
        if link.is_symlink() and link.resolve() == target.resolve():
            return False
        if link.is_symlink() or link.exists():
            raise CommandError(f"{link} exists and is not this authd: remove it first, or choose another folder")
        link.symlink_to(target)
    except OSError as error:
        raise CommandError(f"{link}: {error.strerror}: choose an existing folder that you can write to") from None
    return True


def _this_program() -> Path:
    """Return the path of the `authd` script."""
    called = Path(sys.argv[0])
    beside = Path(sys.executable).with_name("authd")
    for candidate in (called.resolve() if called.name != "main.py" else beside, beside, shutil.which("authd")):
        if candidate is not None and Path(candidate).name == "authd" and Path(candidate).is_file():
            return Path(candidate).absolute()
    raise CommandError("the command authd is neither beside the interpreter nor on PATH: install authd first")
