"""`authd migrate`: copies mappings from one source to another, and reports mappings without a counterpart."""

from __future__ import annotations

import argparse

import yaml

from authd.cli.mappings.access_entries import Converted
from authd.cli.mappings.applying import add_change_options, change_rules, print_to_stderr
from authd.cli.mappings.change import Change
from authd.cli.mappings.cluster import AWS_AUTH, CRD, Rules, add_cluster_options, in_cluster, read_rules
from authd.cli.mappings.origins import rules_of_cluster, rules_of_entries, rules_of_file
from authd.cli.mappings.plain_rule import ROLE, USER, PlainRule, check_rule
from authd.cli.shared.errors import CommandError
from authd.cli.shared.output import print_json, print_text
from authd.kubernetes.client import APIClient

FILE, ENTRIES = "file", "access-entries"

_DESCRIPTION = """\
Copy mappings from a file, from EKS access entries, from aws-auth or from custom resources to another of these places.
With --to file they are printed as the rules of a settings file. Mappings that the target has already are left alone.
Everything that has no counterpart is reported on standard error.
"""
_EXAMPLES = """\
examples:
  authd migrate --from aws-auth --to crd --dry-run
  authd migrate --from file --file /etc/authd/config.yaml --to aws-auth
  for arn in $(aws eks list-access-entries --cluster-name c --query 'accessEntries[]' --output text); do
    aws eks describe-access-entry --cluster-name c --principal-arn $arn
    aws eks list-associated-access-policies --cluster-name c --principal-arn $arn
  done | authd migrate --from access-entries --file - --to file
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd migrate`."""
    parser = subparsers.add_parser(
        "migrate",
        help="copy mappings from one source to another",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--from", dest="source", required=True, choices=(FILE, ENTRIES, AWS_AUTH, CRD), help="the source"
    )
    parser.add_argument("--to", dest="target", required=True, choices=(FILE, AWS_AUTH, CRD), help="the target")
    parser.add_argument("--file", metavar="FILE", default="", help="the file to read, - for standard input")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if something has no counterpart")
    add_cluster_options(parser)
    add_change_options(parser)


def run(args: argparse.Namespace) -> int:
    """Copy the mappings."""
    if args.source == args.target:
        raise CommandError("--from and --to are the same place: choose another --to")
    if (args.source in {FILE, ENTRIES}) != bool(args.file):
        raise CommandError("--file names the input of --from file and --from access-entries")
    read = {FILE: rules_of_file, ENTRIES: rules_of_entries}.get(args.source)
    found = read(args.file) if read is not None else None
    if found is not None and args.target == FILE:
        return _finish(args, found, _print(args, found.rules))
    return in_cluster(args, lambda client: _migrate(client, args, found))


async def _migrate(client: APIClient, args: argparse.Namespace, found: Converted | None) -> int:
    if found is None:
        found = rules_of_cluster(await read_rules(client, args.source))
    if args.target == FILE:
        return _finish(args, found, _print(args, found.rules))
    usable = [rule for rule in found.rules if _is_usable(rule, args.target, found.missing)]

    def plan(rules: Rules) -> Change:
        known = {rule.key for rule in rules.rules}
        return rules.add([rule for rule in usable if rule.key not in known])

    return _finish(args, found, await change_rules(client, args, args.target, plan))


def _is_usable(rule: PlainRule, target: str, missing: list[str]) -> bool:
    try:
        check_rule(rule)
    except CommandError as error:
        missing.append(f"{rule.place or rule.subject}: left out: {error}")
        return False
    if target == CRD and rule.user_id:
        missing.append(f"{rule.place or rule.subject}: userId can't be expressed in custom resources")
        return False
    return True


def _print(args: argparse.Namespace, rules: list[PlainRule]) -> int:
    if args.output == "json":
        print_json([rule.as_json() for rule in rules])
        return 0
    lists = {"mapRoles": ROLE, "mapUsers": USER}
    server = {name: [each.entry() for each in rules if each.kind == kind] for name, kind in lists.items()}
    print_text(str(yaml.safe_dump({"server": server}, sort_keys=False, width=4096)).rstrip("\n"))
    return 0


def _finish(args: argparse.Namespace, found: Converted, status: int) -> int:
    for sentence in found.missing:
        print_to_stderr(f"authd: {sentence}\n")
    return 1 if args.strict and found.missing and not status else status
