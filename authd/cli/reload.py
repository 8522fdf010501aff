"""`authd reload`: the daemon checks its settings file now, or puts mappings in force even if they lock people out."""

from __future__ import annotations

import argparse
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from authd.cli.shared.errors import CommandError
from authd.cli.shared.live import DaemonNotRunning, add_daemon_options, ask, socket_path
from authd.cli.shared.output import add_output_option, counted, print_json, print_text
from authd.config.load import load_settings
from authd.core.errors import Problem
from authd.partition_data import load_partitions
from authd.state.atomic_file import write_atomically
from authd.state.certificate_store import StateFiles

_EXAMPLE = """\
examples:
  authd reload -c /etc/authd/config.yaml --force
  authd reload --force --source EKSConfigMap

The daemon reloads by itself when a source changes. It refuses a change that would remove every mapping, or lock out
more than server.maxLockoutShare of the identities of the last hour. With --force it takes exactly this content of the
file, and exactly the changes of the other sources that it has refused. With --source it takes that source's alone.
"""
#: The sources whose changes may be refused, apart from the settings file. `backendMode` is `dynamicBackendModePath`.
_SOURCES = ("DynamicFile", "EKSConfigMap", "CRD", "backendMode")
#: The daemon polls every half minute in case it misses an event.
_WAIT_SECONDS, _POLL_SECONDS = 40.0, 0.1
#: The daemon sees the marker file within this time. Until then, its state may be that of the previous reload.
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
    parser.add_argument("--force", action="store_true", help="apply the mappings even if they lock out callers")
    parser.add_argument(
        "--source", metavar="NAME", choices=_SOURCES,
        help=f"with --force, only the refused change of this source: {', '.join(_SOURCES)}",
    )  # fmt: skip
    add_output_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Force refused changes of other sources, have the daemon check the file, and print the results."""
    if args.source and not args.force:
        raise CommandError("--source needs --force: a source follows its changes by itself")
    if args.source:
        return _force_source(args)
    path = Path(args.config)
    try:
        text = path.read_bytes()
        overrides = {"server.stateDir": args.state_dir} if args.state_dir else {}
        loaded = load_settings(text, file=str(path), partitions=load_partitions(), overrides=overrides)
        marker = StateFiles(folder=Path(loaded.settings.state_dir)).forced_reload
        digest = sha256(text).hexdigest()
        forced = _forced(StateFiles(folder=Path(loaded.settings.state_dir)).status_socket) if args.force else []
        write_atomically(marker, digest.encode() if args.force else b"")
    except OSError as error:
        raise CommandError(
            f"{error.filename or path}: {error.strerror}; run this as the daemon's user or root"
        ) from None
    state = _wait_for(digest, StateFiles(folder=Path(loaded.settings.state_dir)).status_socket)
    return _report(args, path, len(loaded.table), state, forced)


def _force_source(args: argparse.Namespace) -> int:
    forced = _forced(socket_path(args.config, args.state_dir), args.source)
    if not forced:
        raise CommandError(f"{args.source}: the lock-out guard has refused nothing: see `authd status`")
    if args.output == "json":
        print_json({"forced": True, "result": "done", "sources": forced})
    else:
        _print_forced(forced)
    return 0


def _forced(socket: Path, source: str | None = None) -> list[str]:
    """Force the refused changes of a source, or of all but the settings file. Returns the names of the sources.

    Raises `DaemonNotRunning` if a source is named and no daemon runs.
    """
    try:
        refusals = ask(socket, "refusals")["refusals"]
    except DaemonNotRunning:
        if source is not None:
            raise
        return []
    chosen = [each for each in refusals if source in {None, each["source"]}]
    for each in chosen:
        ask(socket, "force", source=each["source"], reference=each["reference"])
    return [each["source"] for each in chosen]


def _print_forced(sources: list[str]) -> None:
    for source in sources:
        print_text(f"{source}: the refused change is in force")


def _wait_for(digest: str, socket: Path) -> dict[str, Any] | None:
    """Wait until the daemon has read the content with this SHA-256. Returns its state, None if no daemon runs.

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


def _report(args: argparse.Namespace, path: Path, rules: int, state: dict[str, Any] | None, forced: list[str]) -> int:
    problems = [] if state is None else state["problems"]
    result = "not running" if state is None else "refused" if problems else "done"
    if args.output == "json":
        members = {"file": str(path), "rules": rules, "forced": args.force, "result": result, "problems": problems}
        print_json({**members, **({"sources": forced} if args.force else {})})
        return _status(result)
    _print_forced(forced)
    if state is None:
        print_text(f"{path}: {counted(rules, 'mapping')}; no daemon is running: they apply at its next start")
    elif problems:
        print_text(f"{path}: not in force:")
        for problem in problems:
            print_text(str(Problem(**problem)))
    else:
        print_text(f"{path}: {counted(rules, 'mapping')} in force")
    return _status(result)


def _status(result: str) -> int:
    return {"refused": 1, "not running": 2}.get(result, 0)
