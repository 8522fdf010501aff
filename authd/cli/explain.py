"""`authd explain`: which mapping an ARN would match and as whom, or which came nearest. Asks nobody."""

from __future__ import annotations

import argparse
import json

from authd.cli.errors import CommandError
from authd.cli.settings_file import read_settings
from authd.config.settings import Settings
from authd.core.arn import InvalidArn, PrincipalArn, PrincipalKind, parse_arn
from authd.core.caller_identity import CallerIdentity
from authd.core.errors import Denied
from authd.core.mapping import KubernetesUser

_DESCRIPTION = """\
Say which mapping of a settings file an ARN would match and as whom, with file:line:column, or which mapping came
nearest and why it did not match. Works from the file alone: no network, no AWS, no cluster.

What only a login can tell stays as it is written: {{AccessKeyID}}, and {{SessionName}} for a role without --session.
The exit status is 0 if a mapping matches, 1 if none does.
"""

#: Stand for what only a login can tell; filled in once, they come out as they are.
_ACCESS_KEY = "{{AccessKeyID}}"
_SESSION = "{{SessionName}}"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd explain`."""
    parser = subparsers.add_parser(
        "explain",
        help="say which mapping an ARN matches, and as whom",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("arn", metavar="ARN", help="of a role, a user, an account's root, or a role's session")
    parser.add_argument("-c", "--config", metavar="FILE", required=True, help="the settings file")
    parser.add_argument("--session", metavar="NAME", help="the session's name, for the ARN of a role")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="how to tell it")


def run(args: argparse.Namespace) -> int:
    """Look the ARN up and say what came of it."""
    loaded = read_settings(args.config, {})
    identity = identity_of(args.arn, args.session, loaded.settings)
    try:
        user = loaded.table.lookup(identity)
    except Denied as denied:
        _tell(args.output, identity, _refusal(denied))
        return 1
    _tell(args.output, identity, _mapping(user))
    return 0


def identity_of(text: str, session: str | None, settings: Settings) -> CallerIdentity:
    """Return the identity that STS would confirm to a caller with this ARN; raises `CommandError`."""
    try:
        arn = parse_arn(text)
        if session is not None:
            arn = _with_session(arn, session)
    except InvalidArn as error:
        raise CommandError(f"the ARN, or --session, is {error}") from None
    if arn.partition != settings.partition:
        raise CommandError(f"the ARN is of the partition {arn.partition}; server.partition is {settings.partition}")
    if arn.kind is PrincipalKind.ROLE and not arn.session:
        arn = PrincipalArn(
            partition=arn.partition, account=arn.account, kind=arn.kind, path="/", name=arn.name, session=_SESSION
        )
    return CallerIdentity(
        arn=arn,
        arn_text=text,
        canonical_arn=arn.canonical,
        key=arn.key,
        principal_id="",
        access_key_id=_ACCESS_KEY,
    )


def _with_session(arn: PrincipalArn, session: str) -> PrincipalArn:
    if arn.kind is not PrincipalKind.ROLE:
        raise CommandError(f"--session goes with a role's ARN; this is the ARN of a {arn.kind}")
    return parse_arn(f"arn:{arn.partition}:sts::{arn.account}:assumed-role/{arn.name}/{session}")


def _mapping(user: KubernetesUser) -> dict[str, object]:
    return {"matches": True, "username": user.username, "groups": list(user.groups), "mapping": user.rule}


def _refusal(denied: Denied) -> dict[str, object]:
    return {"matches": False, "reason": str(denied.reason), "message": denied.message}


def _tell(output: str, identity: CallerIdentity, outcome: dict[str, object]) -> None:
    known = {"canonicalARN": identity.canonical_arn, **outcome}
    if output == "json":
        print(json.dumps(known, indent=2))
        return
    for name, value in known.items():
        if name != "matches":
            print(f"{name:13} {', '.join(value) if isinstance(value, list) else value}")
