"""`authd reload`: the daemon checks its settings file now, or puts it in force even if it locks people out."""

from __future__ import annotations

import argparse
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from authd.cli.shared.errors import CommandError
from authd.cli.shared.live import DaemonNotRunning, add_daemon_options, ask
from authd.cli.shared.output import add_output_option, counted, print_json, print_text
from authd.config.load import load_settings
from authd.core.errors import Problem
from authd.partition_data import load_partitions
from authd.state.atomic_file import write_atomically
from authd.state.certificate_store import StateFiles

_EXAMPLE = """\
example:
  authd reload -c /etc/authd/config.yaml --force

The daemon reloads by itself when the file changes. It refuses a file that would remove every mapping, or lock out
more than server.maxLockoutShare of the identities of the last hour. With --force it takes exactly this content.
"""
#: The daemon polls every half minute in case it misses an event.
_WAIT_SECONDS, _POLL_SECONDS = 40.0, 0.1
#: The daemon notices the marker within this time. Before it, the state may be that of the last reload.
_SETTLE_SECONDS = 1.0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd reload`."""
    parser = subparsers.add_parser(
        "reload",
        help="make the daemon check its settings file now",
        description="Make the daemon check its settings file now.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_daemon_options(parser)
    parser.add_argument("--force", action="store_true", help="apply the file even if it locks out callers")
    add_output_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check the file, leave a marker in the state directory, which the daemon watches, and print the result."""
    path = Path(args.config)
    try:
        text = path.read_bytes()
        overrides = {"server.stateDir": args.state_dir} if args.state_dir else {}
        loaded = load_settings(text, file=str(path), partitions=load_partitions(), overrides=overrides)
        marker = StateFiles(folder=Path(loaded.settings.state_dir)).forced_reload
        digest = sha256(text).hexdigest()
        write_atomically(marker, digest.encode() if args.force else b"")
    except OSError as error:
        raise CommandError(
            f"{error.filename or path}: {error.strerror}; run this as the daemon's user or root"
        ) from None
    state = _wait_for(digest, StateFiles(folder=Path(loaded.settings.state_dir)).status_socket)
    return _tell(args, path, len(loaded.table), state)


def _wait_for(digest: str, socket: Path) -> dict[str, Any] | None:
    """Wait until the daemon has read the content with this SHA-256. Returns its answer, None if no daemon runs.

    Raises `CommandError` if the daemon doesn't read it in time.
    """
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            state = ask(socket, "settings")
        except DaemonNotRunning:
            return None
        if state["sha256"] == digest and time.monotonic() > deadline - _WAIT_SECONDS + _SETTLE_SECONDS:
            return state
        time.sleep(_POLL_SECONDS)
    raise CommandError(f"the daemon did not read the file within {_WAIT_SECONDS:.0f} s: see its log")


def _tell(args: argparse.Namespace, path: Path, rules: int, state: dict[str, Any] | None) -> int:
    problems = [] if state is None else state["problems"]
    result = "not running" if state is None else "refused" if problems else "done"
    if args.output == "json":
        members = {"file": str(path), "rules": rules, "forced": args.force, "result": result, "problems": problems}
        print_json(members)
    elif state is None:
        print_text(f"{path}: {counted(rules, 'mapping')}; no daemon is running: they apply at its next start")
    elif problems:
        print_text(f"{path}: not in force:")
        for problem in problems:
            print_text(str(Problem(**problem)))
    else:
        print_text(f"{path}: {counted(rules, 'mapping')} in force")
    return 1 if result == "refused" else 2 if result == "not running" else 0
