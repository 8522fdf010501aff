"""`authd kubeconfig add`: writes or merges the user of a cluster that logs in with authd-token."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml

from authd.cli.kubeconfig.document import Document, child
from authd.cli.kubeconfig.files import (
    add_file_options,
    kubeconfig_paths,
    print_saved,
    read_kubeconfig,
    save,
    saved_as_json,
)
from authd.cli.shared.errors import CommandError
from authd.cli.shared.output import print_json, print_text

_DESCRIPTION = """\
Write the user of a cluster into the kubeconfig, or change the existing one. If the kubeconfig has the cluster, its
context is written too. Comments and order of the file are kept. The changes are shown, and the old file is kept.
"""
_INSTALL_HINT = "authd-token is missing; install authd from its clone or wheel (`pipx install .`)"
_HINT = (
    "the kubeconfig has no cluster for this user yet; run `kubectl config set-cluster {} --server=URL "
    "--certificate-authority=FILE --embed-certs` and the command again"
)
#: Other credentials, which a user can't have beside an exec plugin.
_OTHER_LOGINS = ("token", "tokenFile", "client-certificate", "client-certificate-data", "username", "auth-provider")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd kubeconfig add`."""
    parser = subparsers.add_parser(
        "add", help="write or change the user of a cluster", description=_DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument("cluster_id", metavar="CLUSTER_ID", help="the cluster's ID: `clusterID` of the daemon")
    parser.add_argument("--role", metavar="ARN", help="the role to assume")
    parser.add_argument("--region", help="the region of STS")
    parser.add_argument("--profile", metavar="NAME", help="the profile in the AWS shared files")
    parser.add_argument("--alias", metavar="NAME", help="the name of user and context (default: the cluster's ID)")
    parser.add_argument("--cluster", metavar="NAME", help="the kubeconfig's cluster (default: that of alias or ID)")
    parser.add_argument("--no-cache", action="store_true", help="make a token at every call")
    parser.add_argument("--install-hint", metavar="TEXT", default=_INSTALL_HINT, help="shown if the command is missing")
    parser.add_argument(
        "--interactive-mode", choices=("Never", "IfAvailable", "Always"), default="IfAvailable",
        help="whether an MFA code may be asked for (default: IfAvailable)",
    )  # fmt: skip
    parser.add_argument(
        "--provide-cluster-info", action="store_true", help="pass the cluster's extension with clusterID and roleARN"
    )
    parser.add_argument(
        "--api-version", choices=("v1", "v1beta1"), default="v1beta1",
        help="version of the plugin protocol (default: v1beta1, which all clients know)",
    )  # fmt: skip
    parser.add_argument("--use", action="store_true", help="make the context the current one")
    add_file_options(parser)


def run(args: argparse.Namespace) -> int:
    """Write the user and its context."""
    name = args.alias or args.cluster_id
    path, document = _target(args, name)
    _add_user(document, name, _exec(args))
    cluster = _cluster(document, args, name)
    if cluster is not None:
        _add_context(document, name, cluster)
        if args.use:
            document.set_root("current-context", name)
    if not document.text:
        document.set_root("apiVersion", "v1")
        document.set_root("kind", "Config")
    saved = save(path, document, args)
    hint = "" if cluster is not None else _HINT.format(name)
    if args.output == "json":
        print_json({**saved_as_json(saved, args), "hint": hint or None})
        return 0
    print_saved(saved, args)
    for line in ([] if saved else [f"{path}: the user {name} is up to date"]) + ([hint] if hint else []):
        print_text(line)
    return 0


def _target(args: argparse.Namespace, name: str) -> tuple[Path, Document]:
    """Return the file that has the user, else the one with its cluster, else the first."""
    files = [(path, read_kubeconfig(path)) for path in kubeconfig_paths(args.kubeconfig)]
    for section, wanted in (("users", name), ("clusters", args.cluster or name)):
        for path, document in files:
            if document.entry(section, wanted) is not None:
                return path, document
    return files[0]


def _exec(args: argparse.Namespace) -> dict[str, Any]:
    words = ["--cluster-id", args.cluster_id]
    for option, value in (("--role", args.role), ("--region", args.region), ("--profile", args.profile)):
        words += [option, value] if value else []
    if not args.no_cache:
        words.append("--cache")
    return {
        "apiVersion": f"client.authentication.k8s.io/{args.api_version}",
        "command": "authd-token",
        "args": words,
        "installHint": args.install_hint,
        "interactiveMode": args.interactive_mode,
        "provideClusterInfo": args.provide_cluster_info,
    }


def _add_user(document: Document, name: str, plugin: dict[str, Any]) -> None:
    entry = document.entry("users", name)
    if entry is None:
        document.append("users", {"name": name, "user": {"exec": plugin}})
        return
    user = child(entry, "user")
    existing = child(user, "exec")
    other = next((key for key in _OTHER_LOGINS if child(user, key) is not None), None)
    if other is not None:
        raise CommandError(f"{document.place(entry)}: the user {name} logs in with {other}; choose another --alias")
    if isinstance(existing, yaml.MappingNode):
        for key, value in plugin.items():
            document.set(existing, key, value)
    elif isinstance(user, yaml.MappingNode) and user.value:
        document.set(user, "exec", plugin)
    else:
        document.set(entry, "user", {"exec": plugin})


def _cluster(document: Document, args: argparse.Namespace, name: str) -> str | None:
    if args.cluster:
        if document.entry("clusters", args.cluster) is None:
            known = ", ".join(found for found, _ in document.entries("clusters")) or "none"
            raise CommandError(f"the kubeconfig has no cluster {args.cluster!r}; it has: {known}")
        return str(args.cluster)
    context = document.entry("contexts", name)
    named = document.value(child(child(context, "context"), "cluster")) if context is not None else None
    candidates = (named, name, args.cluster_id)
    return next((found for found in candidates if found and document.entry("clusters", found) is not None), None)


def _add_context(document: Document, name: str, cluster: str) -> None:
    entry = document.entry("contexts", name)
    context = child(entry, "context")
    if isinstance(context, yaml.MappingNode):
        document.set(context, "cluster", cluster)
        document.set(context, "user", name)
    elif entry is None:
        document.append("contexts", {"name": name, "context": {"cluster": cluster, "user": name}})
    else:
        document.set(entry, "context", {"cluster": cluster, "user": name})
