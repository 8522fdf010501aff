"""Shows a change, asks for confirmation, and applies it if the rules have not changed in between."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from authd.cli.mappings.change import Change
from authd.cli.mappings.cluster import Rules, read_rules
from authd.cli.shared.errors import CommandError
from authd.cli.shared.output import add_output_option, print_json, print_text
from authd.daemon.command_line.flags import FALSE, TRUE
from authd.kubernetes.client import APIClient
from authd.kubernetes.errors import StatusError

DONE, NOT_DONE = 0, 1
#: Handlers of signals while a command waits for an answer.
_HANDLERS: Mapping[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


def add_change_options(parser: argparse.ArgumentParser) -> None:
    """Add the flags of commands that change something."""
    parser.add_argument(
        "--prompt", nargs="?", const="true", default="true", choices=("true", "false"), type=_boolean,
        help="ask before the change is made (true)",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="show the change, and make none")
    add_output_option(parser)


def _boolean(text: str) -> str:
    """Return `true` or `false` for the spellings of aws-iam-authenticator, and any other text as it is."""
    return "true" if text in TRUE else "false" if text in FALSE else text


async def change_rules(client: APIClient, args: argparse.Namespace, place: str, plan: Callable[[Rules], Change]) -> int:
    """Plan a change of the current rules, and apply it. Returns the exit status."""
    change = plan(await read_rules(client, place))
    done = bool(change.calls) and not args.dry_run and _is_confirmed(args, change)
    if done:
        try:
            await change.apply(client)
        except StatusError as error:
            if not error.is_conflict:
                raise
            raise CommandError("another user has changed the mappings in between: run the command again") from None
    _print(args, change, done=done)
    return DONE if done or args.dry_run or not change.calls else NOT_DONE


def _is_confirmed(args: argparse.Namespace, change: Change) -> bool:
    if args.prompt == "false":
        return True
    # The reactor's handlers would have no effect before the answer.
    handlers = {number: signal.signal(number, handler) for number, handler in _HANDLERS.items()}
    try:
        print_to_stderr(change.diff)
        sys.stderr.write("Make this change? [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in {"y", "yes"}
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def print_to_stderr(text: str) -> None:
    """Print a text that isn't the command's result."""
    sys.stderr.write(text)


def _print(args: argparse.Namespace, change: Change, *, done: bool) -> None:
    if args.output == "json":
        print_json({"changed": done, "dryRun": args.dry_run, "diff": change.diff})
        return
    if not change.calls:
        print_text("nothing to change")
        return
    if args.dry_run or args.prompt == "false":
        print_text(change.diff.rstrip("\n"))
    print_text("changed" if done else "not changed")
