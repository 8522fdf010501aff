"""`authd remove user|role`: removes a mapping from aws-auth or deletes its custom resource."""

from __future__ import annotations

import argparse

from authd.cli.mappings.applying import add_change_options, change_rules
from authd.cli.mappings.change import Change
from authd.cli.mappings.cluster import (
    Rules,
    add_cluster_options,
    add_place_option,
    add_principal_options,
    in_cluster,
)
from authd.cli.mappings.plain_rule import USER, PlainRule
from authd.cli.shared.errors import CommandError

_DESCRIPTION = """\
Remove the mapping of an IAM user or role from the ConfigMap aws-auth, or delete its custom resource. The change is
shown first, and made only if nobody else has changed the mappings in between.
"""
_EXAMPLES = """\
examples:
  authd remove role --rolearn arn:aws:iam::111122223333:role/Admin
  authd remove user --userarn arn:aws:iam::111122223333:user/alice --in crd --prompt=false
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd remove`."""
    parser = subparsers.add_parser(
        "remove",
        help="remove a mapping from the cluster",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_principal_options(parser)
    add_place_option(parser)
    add_cluster_options(parser)
    add_change_options(parser)


def run(args: argparse.Namespace) -> int:
    """Remove the mapping."""
    arn = args.userarn if args.kind == USER else args.rolearn
    if not arn or (args.userarn and args.rolearn):
        raise CommandError(f"authd remove {args.kind} needs --{args.kind}arn")
    key = PlainRule(kind=args.kind, arn=arn).key

    def plan(rules: Rules) -> Change:
        change = rules.remove(key)
        if not change.calls:
            raise CommandError(f"there is no mapping for {arn}: see authd list --in {args.place}")
        return change

    return in_cluster(args, lambda client: change_rules(client, args, args.place, plan))
