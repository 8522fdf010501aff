"""`authd list`: prints the mappings in aws-auth or in custom resources."""

from __future__ import annotations

import argparse

from authd.cli.mappings.cluster import add_cluster_options, add_place_option, in_cluster, read_rules
from authd.cli.mappings.plain_rule import PlainRule
from authd.cli.shared.output import add_output_option, print_json, print_text, visible, wrapped
from authd.kubernetes.client import APIClient

_DESCRIPTION = """\
Print the mappings in the ConfigMap aws-auth, or those of custom resources, with their places.
"""
_EXAMPLES = """\
examples:
  authd list
  authd list --in crd --kubeconfig-context production -o json
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd list`."""
    parser = subparsers.add_parser(
        "list",
        help="print the mappings in the cluster",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_place_option(parser)
    add_cluster_options(parser)
    add_output_option(parser)


def run(args: argparse.Namespace) -> int:
    """Print the mappings."""

    async def rules_of(client: APIClient) -> list[PlainRule]:
        return (await read_rules(client, args.place)).rules

    rules = in_cluster(args, rules_of)
    if args.output == "json":
        print_json([rule.as_json() for rule in rules])
    for rule in rules if args.output == "text" else ():
        times = "".join(f"  {name} {text}" for name, text in rule.times)
        line = f"{rule.subject}  {rule.username}  {','.join(rule.groups) or '-'}{times}  ({rule.place})"
        print_text(wrapped(visible(line), 4))
    return 0
