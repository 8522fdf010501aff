"""`authd kubeconfig convert`: changes users of other credential plugins into users of authd-token."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import PurePosixPath

import yaml

from authd.cli.kubeconfig.document import Document, child
from authd.cli.kubeconfig.files import (
    Saved,
    add_file_options,
    kubeconfig_paths,
    print_saved,
    read_kubeconfig,
    save,
    saved_as_json,
)
from authd.cli.shared.errors import CommandError
from authd.cli.shared.output import print_json, print_text
from authd.client.fast.errors import UsageError
from authd.client.fast.flags import parse_flags

_DESCRIPTION = """\
Change users that run aws-iam-authenticator, heptio-authenticator-aws or `aws eks get-token` into users of authd-token:
all of them, or those that are named. Arguments and env are kept. Anything without a counterpart is reported.
"""
_NOTHING = "no user runs aws-iam-authenticator, heptio-authenticator-aws or `aws eks get-token`: nothing changed"
_AUTHENTICATORS = ("aws-iam-authenticator", "heptio-authenticator-aws")
_RENAMED = {"--cluster-name": "--cluster-id", "--role-arn": "--role"}
#: Options of the AWS CLI that authd-token has too. All take a value.
_KEPT = ("--cluster-id", "--cluster-name", "--role-arn", "--region", "--profile")
#: Options of the AWS CLI that take no value.
_SWITCHES = (
    "--debug", "--no-verify-ssl", "--no-paginate", "--no-sign-request", "--no-cli-pager", "--no-cli-auto-prompt",
    "--cli-auto-prompt",
)  # fmt: skip


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd kubeconfig convert`."""
    parser = subparsers.add_parser(
        "convert", help="change users of other plugins into users of authd-token", description=_DESCRIPTION,
        allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("users", metavar="USER", nargs="*", help="the names of users (default: all)")
    add_file_options(parser)


def run(args: argparse.Namespace) -> int:
    """Convert the users of every kubeconfig file."""
    missing, saved, notes = set(args.users), list[Saved](), list[str]()
    for path in kubeconfig_paths(args.kubeconfig):
        document = read_kubeconfig(path)
        for name, entry in document.entries("users"):
            if not args.users or name in args.users:
                missing.discard(name)
                notes += [f"{document.place(entry)}: user {name}: {note}" for note in _convert(document, entry)]
        saved += save(path, document, args)
    if args.output == "json":
        print_json({**saved_as_json(saved, args), "notes": notes})
    else:
        print_saved(saved, args)
        for line in [*notes, *([] if saved or missing else [_NOTHING])]:
            print_text(line)
    if missing:
        raise CommandError(f"the kubeconfig has no user {', '.join(sorted(missing))}; `kubectl config view` shows them")
    return 0


def _convert(document: Document, entry: yaml.MappingNode) -> list[str]:
    """Convert a user, and return notes about anything without a counterpart."""
    plugin = child(child(entry, "user"), "exec")
    command = child(plugin, "command")
    if not isinstance(plugin, yaml.MappingNode) or command is None:
        return []
    program = PurePosixPath(str(document.value(command))).name
    words = [str(word) for word in document.value(child(plugin, "args")) or []]
    if program in _AUTHENTICATORS:
        notes = _convert_authenticator(words)
    elif program == "aws" and "get-token" in words:
        notes = _convert_aws(document, child(plugin, "args"), words)
    elif any("get-token" in word or any(name in word for name in _AUTHENTICATORS) for word in words):
        return ["runs its plugin through another program; change it by hand"]
    else:
        return []
    document.replace(command, "authd-token")
    version = child(plugin, "apiVersion")
    if str(document.value(version)).endswith("/v1alpha1") and version is not None:
        document.replace(version, "client.authentication.k8s.io/v1beta1")
    return notes


def _convert_authenticator(words: Sequence[str]) -> list[str]:
    try:
        options = parse_flags(list(words))
    except UsageError as error:
        return [f"its arguments need a change by hand: {error}"]
    ignored = (("--feature-gates", options.feature_gates), ("--log-verbosity", options.log_verbosity))
    return [f"{name} is accepted without effect" for name, value in ignored if value is not None]


def _convert_aws(document: Document, arguments: yaml.Node | None, words: Sequence[str]) -> list[str]:
    notes: list[str] = []
    if not isinstance(arguments, yaml.SequenceNode):
        return notes
    index = 0
    while index < len(words):
        word = words[index]
        name, equals, value = word.partition("=")
        takes_value = name.startswith("--") and not equals and name not in _SWITCHES
        length = 2 if takes_value and index + 1 < len(words) else 1
        if name in _RENAMED:
            document.replace(arguments.value[index], _RENAMED[name] + equals + value)
        elif name not in _KEPT:
            for position in range(index, index + length):
                document.remove_item(arguments, position)
            if word not in ("eks", "get-token") and name != "--output":
                notes.append(f"{name} has no counterpart and was removed")
        index += length
    return notes
