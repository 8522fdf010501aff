"""`authd reload`: the daemon checks its settings file now, or puts it in force even if it locks people out."""

from __future__ import annotations

import argparse
from hashlib import sha256
from pathlib import Path

from authd.cli.errors import CommandError
from authd.cli.output import add_output_option, counted, print_json, print_text
from authd.config.load import load_settings
from authd.partition_data import load_partitions
from authd.state.atomic_file import write_atomically
from authd.state.certificate_store import StateFiles

_EXAMPLE = """\
example:
  authd reload -c /etc/authd/config.yaml --force

The daemon reloads by itself when the file changes. It refuses a file that would remove every mapping, or lock out
more than server.maxLockoutShare of the identities of the last hour. With --force it takes exactly this content.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd reload`."""
    parser = subparsers.add_parser(
        "reload",
        help="make the daemon check its settings file now",
        description="Make the daemon check its settings file now.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-c", "--config", default="/etc/authd/config.yaml", help="the settings file (%(default)s)")
    parser.add_argument("--state-dir", help="the daemon's state directory, if it isn't the settings' stateDir")
    parser.add_argument("--force", action="store_true", help="put the file in force even if it locks people out")
    add_output_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check the file, then leave a marker in the state directory, which the daemon watches."""
    path = Path(args.config)
    try:
        text = path.read_bytes()
        overrides = {"server.stateDir": args.state_dir} if args.state_dir else {}
        loaded = load_settings(text, file=str(path), partitions=load_partitions(), overrides=overrides)
        marker = StateFiles(folder=Path(loaded.settings.state_dir)).forced_reload
        write_atomically(marker, sha256(text).hexdigest().encode() if args.force else b"")
    except OSError as error:
        raise CommandError(
            f"{error.filename or path}: {error.strerror}; run this as the daemon's user or root"
        ) from None
    rules = len(loaded.table)
    if args.output == "json":
        print_json({"file": str(path), "rules": rules, "forced": args.force})
    else:
        forced = ", and puts it in force as it is" if args.force else ""
        print_text(f"{path}: {counted(rules, 'mapping')}; the daemon checks it now{forced}")
    return 0
