"""`authd explain`: the mapping that an ARN matches, with user name and groups, or the nearest one."""

from __future__ import annotations

import argparse
import time
from hashlib import sha256
from pathlib import Path

from authd.cli.shared.errors import CommandError
from authd.cli.shared.live import add_daemon_options, ask, socket_path
from authd.cli.shared.output import add_output_option, print_json, print_table, warn
from authd.cli.shared.settings_file import read_settings
from authd.config.fields.arn_faults import arn_fault
from authd.config.settings import Settings
from authd.core.arn import InvalidArn, PrincipalArn, PrincipalKind, parse_arn
from authd.core.caller_identity import CallerIdentity, unconfirmed_identity
from authd.core.errors import DenialReason, Denied
from authd.core.kubernetes_user import KubernetesUser
from authd.core.mapping.table import MappingTable
from authd.core.mapping.validity import parse_time

_DESCRIPTION = """\
Print the mapping of a settings file that an ARN matches (file:line:column), its user name and groups, or the nearest
mapping and the difference. It needs the file alone: no network, no AWS, no cluster. With --live, it asks the running
daemon about the mappings in force, and warns if the file differs.

A rule with validFrom or validUntil matches at that time only: --at asks about another time than now.

Placeholders that need a real login stay unfilled: {{AccessKeyID}}, and {{SessionName}} for a role without --session.
"""
_EXAMPLES = """\
examples:
  authd explain arn:aws:iam::111122223333:role/Admin --session alice
  authd explain --live arn:aws:iam::111122223333:user/alice
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd explain`."""
    parser = subparsers.add_parser(
        "explain",
        help="print the mapping that an ARN matches, with user name and groups",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("arn", metavar="ARN", help="the ARN of a role, a user, an account's root or a role's session")
    add_daemon_options(parser)
    parser.add_argument("--live", action="store_true", help="ask the running daemon about the mappings in force")
    parser.add_argument("--session", metavar="NAME", help="the session's name, for the ARN of a role")
    parser.add_argument(
        "--at", metavar="TIME", type=_time, help="the time of the login (now), such as 2030-12-31T18:00:00Z"
    )
    add_output_option(parser)


def run(args: argparse.Namespace) -> int:
    """Look the ARN up and print the result."""
    if args.live and args.at is not None:
        raise CommandError("--at does not go with --live: the daemon decides at its own time")
    if args.live:
        return _explain_live(args)
    loaded = read_settings(args.config, {})
    identity = identity_of(args.arn, args.session, loaded.settings)
    now = time.time() if args.at is None else args.at
    try:
        user = loaded.table.explain(identity, now)
    except Denied as denied:
        _print(args.output, identity, _refusal(denied, loaded.table, identity, now))
        return 1
    rule = loaded.table.find(identity, now)
    _print(args.output, identity, {**_mapping(user), **({} if rule is None else rule.validity.members())})
    return 0


def _time(text: str) -> float:
    try:
        return parse_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"the time {error}") from None


def _explain_live(args: argparse.Namespace) -> int:
    """Ask the running daemon, and warn if the file on disk is not the one in force."""
    path = socket_path(args.config, args.state_dir)
    outcome = ask(path, "explain", arn=_arn_text(args.arn, args.session))
    state = ask(path, "settings")
    if state["problems"] or state["sha256"] != _file_digest(state["file"]):
        outcome["differs"] = f"{state['file']} on disk is not in force: see `authd check` and `authd status`"
        warn(str(outcome["differs"]))
    if args.output == "json":
        print_json(outcome)
    else:
        print_table((name, value) for name, value in outcome.items() if name not in {"matches", "differs"})
    return 0 if outcome["matches"] else 1


def _arn_text(text: str, session: str | None) -> str:
    if session is None:
        return text
    try:
        arn = _with_session(parse_arn(text), session)
    except InvalidArn:
        raise CommandError(f"the ARN {arn_fault(text)}") from None
    return f"arn:{arn.partition}:sts::{arn.account}:assumed-role/{arn.name}/{arn.session}"


def _file_digest(file: str) -> str:
    try:
        return sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return ""


def identity_of(text: str, session: str | None, settings: Settings) -> CallerIdentity:
    """Return the identity that STS would confirm for this ARN. Raises `CommandError`."""
    try:
        arn = parse_arn(text)
    except InvalidArn:
        raise CommandError(f"the ARN {arn_fault(text)}") from None
    if session is not None:
        arn = _with_session(arn, session)
    if arn.partition != settings.partition:
        raise CommandError(f"the ARN is of the partition {arn.partition}, but server.partition is {settings.partition}")
    return unconfirmed_identity(arn)


def _with_session(arn: PrincipalArn, session: str) -> PrincipalArn:
    if arn.kind is not PrincipalKind.ROLE:
        raise CommandError(f"--session needs a role's ARN, but this is the ARN of a {arn.kind}: leave it out")
    try:
        return parse_arn(f"arn:{arn.partition}:sts::{arn.account}:assumed-role/{arn.name}/{session}")
    except InvalidArn:
        raise CommandError("--session must be a session's name: 2 to 64 letters, digits and _+=,.@-") from None


def _mapping(user: KubernetesUser) -> dict[str, object]:
    return {"matches": True, "username": user.username, "groups": list(user.groups), "rule": user.rule}


def _refusal(denied: Denied, table: MappingTable, identity: CallerIdentity, now: float) -> dict[str, object]:
    message = denied.message
    if denied.reason is DenialReason.IDENTITY_NOT_MAPPED:
        message = f"no mapping matches: {table.closest(identity, now)}"  # a login doesn't search for it
    return {"matches": False, "reason": str(denied.reason), "message": message}


def _print(output: str, identity: CallerIdentity, outcome: dict[str, object]) -> None:
    known = {"canonical_arn": identity.canonical_arn, **outcome}
    if output == "json":
        print_json(known)
    else:
        print_table((name, value) for name, value in known.items() if name != "matches")
