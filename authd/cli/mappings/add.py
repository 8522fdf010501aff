"""`authd add user|role`: adds a mapping to aws-auth or as a custom resource."""

from __future__ import annotations

import argparse
import json

from authd.cli.mappings.applying import add_change_options, change_rules
from authd.cli.mappings.change import Change
from authd.cli.mappings.cluster import (
    Rules,
    add_cluster_options,
    add_place_option,
    add_principal_options,
    in_cluster,
)
from authd.cli.mappings.plain_rule import TIMES, USER, PlainRule, check_rule
from authd.cli.shared.errors import CommandError

_DESCRIPTION = """\
Add a mapping of an IAM user or role to the ConfigMap aws-auth, or as a custom resource. The change is shown first, and
made only if nobody else has changed the mappings in between. Comments and order of the ConfigMap stay.
"""
_EXAMPLES = """\
examples:
  authd add role --rolearn arn:aws:iam::111122223333:role/Admin --username 'admin:{{SessionName}}' --groups admins
  authd add role --sso permissionSetName=Dev,accountID=111122223333 --username dev --groups devs --prompt=false
  authd add user --userarn arn:aws:iam::111122223333:user/alice --username alice --in crd --dry-run
  authd add user --userarn arn:aws:iam::111122223333:user/bob --username bob --valid-until 2030-12-31T18:00:00Z
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd add`."""
    parser = subparsers.add_parser(
        "add",
        help="add a mapping to the cluster",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_principal_options(parser)
    parser.add_argument(
        "--sso", metavar="SET", default="",
        help="the permission set, as permissionSetName=NAME,accountID=NUMBER[,partition=NAME] or as JSON",
    )  # fmt: skip
    parser.add_argument("--username", metavar="NAME", required=True, help="the user name in the cluster")
    parser.add_argument("--groups", metavar="GROUPS", action="append", default=[], help="groups, separated by commas")
    for flag, what in (("--valid-from", "begins"), ("--valid-until", "ends")):
        parser.add_argument(
            flag, metavar="TIME", default="",
            help=f"when the mapping {what}, such as 2030-12-31T18:00:00Z, or a date for its beginning in UTC",
        )  # fmt: skip
    add_place_option(parser)
    add_cluster_options(parser)
    add_change_options(parser)


def run(args: argparse.Namespace) -> int:
    """Add the mapping."""
    rule = _rule(args)
    check_rule(rule)

    def plan(rules: Rules) -> Change:
        known = next((each for each in rules.rules if each.key == rule.key), None)
        if known is not None:
            raise CommandError(f"{rule.subject} is mapped already, at {known.place}: remove that mapping first")
        return rules.add([rule])

    return in_cluster(args, lambda client: change_rules(client, args, args.place, plan))


def _rule(args: argparse.Namespace) -> PlainRule:
    given = {"--userarn": args.userarn, "--rolearn": args.rolearn, "--sso": args.sso}
    wanted = ("--userarn",) if args.kind == USER else ("--rolearn", "--sso")
    named = [flag for flag, value in given.items() if value]
    if len(named) != 1 or named[0] not in wanted:
        raise CommandError(f"authd add {args.kind} needs {' or '.join(wanted)}, and nothing else of that kind")
    return PlainRule(
        kind=args.kind,
        arn=args.userarn or args.rolearn,
        sso=_permission_set(args.sso) if args.sso else (),
        username=args.username,
        groups=tuple(group.strip() for part in args.groups for group in part.split(",") if group.strip()),
        times=tuple(
            (name, text) for name, text in zip(TIMES, (args.valid_from, args.valid_until), strict=True) if text
        ),
    )


def _permission_set(text: str) -> tuple[tuple[str, str], ...]:
    try:
        members = json.loads(text) if text.startswith("{") else dict(part.split("=", 1) for part in text.split(","))
        return tuple((str(name), str(value)) for name, value in members.items())
    except (ValueError, AttributeError, RecursionError):
        raise CommandError("--sso is written permissionSetName=NAME,accountID=NUMBER") from None
