"""`authd kubeconfig test`: logs in to a cluster and prints the identity, or the reason for the failure."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from authd.cli.kubeconfig.context import find_context
from authd.cli.kubeconfig.files import add_kubeconfig_option
from authd.cli.kubeconfig.plugin import run_plugin
from authd.cli.kubeconfig.self_review import review_self
from authd.cli.shared.errors import CommandError
from authd.cli.shared.output import add_output_option, print_json

_DESCRIPTION = """\
Run the credential plugin of a context and ask the cluster for the identity that it sees (SelfSubjectReview). Print the
identity, or the reason for the failure.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd kubeconfig test`."""
    parser = subparsers.add_parser(
        "test", help="log in and print the identity", description=_DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument("--context", metavar="NAME", help="the context (default: the current one)")
    add_output_option(parser)
    add_kubeconfig_option(parser)


def run(args: argparse.Namespace) -> int:
    """Log in to the context's cluster."""
    context = find_context(args.kubeconfig, args.context)
    token = run_plugin(context)
    if not token.isascii() or not token.isprintable():
        raise CommandError(
            f"the token of the user {context.user_name!r} has line breaks or characters that are not ASCII; correct "
            "it, or the plugin that prints it"
        )
    identity = review_self(context, token)
    if identity is None:
        print(
            f"the cluster refused the login of the context {context.name} (401 Unauthorized); run the plugin's command "
            "with --why, and look for the decision in authd's log on the control plane",
            file=sys.stderr if args.output == "json" else sys.stdout,
        )
        return 1
    if args.output == "json":
        print_json(identity)
    else:
        _print_text(context.name, identity)
    return 0


def _print_text(name: str, identity: dict[str, Any]) -> None:
    print(f"the login of the context {name} works")
    if not identity:
        print("the cluster does not tell the identity: SelfSubjectReview exists since Kubernetes 1.28")
        return
    groups = identity.get("groups") or []
    if not isinstance(groups, list):
        raise CommandError("the cluster's response is not a SelfSubjectReview; check the server's URL")
    print(f"{'username':<10}{identity.get('username', '')}")
    print(f"{'uid':<10}{identity.get('uid', '')}")
    print(f"{'groups':<10}{', '.join(map(str, groups))}")
    extra = identity.get("extra")
    for key, values in sorted(extra.items()) if isinstance(extra, dict) else ():
        print(f"{'extra':<10}{key}: {', '.join(map(str, values))}")
