"""Gives a command access to the API server: flags, credentials, and a reactor that runs until the command ends."""

from __future__ import annotations

import argparse
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol, TypeVar

from authd.cli.kubeconfig.context import current_context
from authd.cli.kubeconfig.files import kubeconfig_paths, read_kubeconfig
from authd.cli.mappings.change import Change
from authd.cli.mappings.config_map import ConfigMapRules
from authd.cli.mappings.custom_resources import CustomResourceRules
from authd.cli.mappings.exec_plugin import run_plugin
from authd.cli.mappings.plain_rule import ROLE, USER, PlainRule
from authd.cli.shared.errors import CommandError
from authd.cli.shared.reactor_run import run_with_reactor
from authd.daemon.net.api_tls import APIConnector
from authd.exchange.errors import ExchangeError
from authd.kubernetes.client import APIClient
from authd.kubernetes.discovery import find_cluster

Result = TypeVar("Result")

AWS_AUTH, CRD = "aws-auth", "crd"


class Rules(Protocol):
    """The rules in one place of the cluster, at the time of reading."""

    @property
    def rules(self) -> list[PlainRule]:
        """All rules."""
        ...

    @property
    def accounts(self) -> str:
        """The text of `mapAccounts`."""
        ...

    def add(self, rules: list[PlainRule], /) -> Change:
        """Return the change that adds rules."""
        ...

    def remove(self, key: str, /) -> Change:
        """Return the change that removes the rules for a principal."""
        ...


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Add the flags that select the cluster, with aws-iam-authenticator's names."""
    parser.add_argument("--kubeconfig", metavar="FILE", help="the kubeconfig file (KUBECONFIG, ~/.kube/config)")
    parser.add_argument("--kubeconfig-context", metavar="NAME", default="", help="the context (current-context)")
    parser.add_argument("--master-url", metavar="URL", default="", help="the API server, instead of the kubeconfig's")


def add_principal_options(parser: argparse.ArgumentParser) -> None:
    """Add the flags that name a user or a role."""
    parser.add_argument("kind", choices=(USER, ROLE), help="whom the mapping is for")
    parser.add_argument("--userarn", metavar="ARN", default="", help="the user's ARN")
    parser.add_argument("--rolearn", metavar="ARN", default="", help="the role's ARN")


def add_place_option(parser: argparse.ArgumentParser) -> None:
    """Add the flag that selects aws-auth or custom resources."""
    parser.add_argument(
        "--in", dest="place", choices=(AWS_AUTH, CRD), default=AWS_AUTH,
        help="the ConfigMap aws-auth (the default), or custom resources",
    )  # fmt: skip


async def read_rules(client: APIClient, place: str) -> Rules:
    """Read the rules in aws-auth or in custom resources."""
    return await (CustomResourceRules.read(client) if place == CRD else ConfigMapRules.read(client))


def in_cluster(args: argparse.Namespace, work: Callable[[APIClient], Awaitable[Result]]) -> Result:
    """Return the result of `work`, which gets a client for the cluster. Raises `CommandError` or `ConfigError`."""
    kubeconfig, context = args.kubeconfig, args.kubeconfig_context
    if not kubeconfig:
        kubeconfig, context = _kubeconfig(context)
    access = find_cluster(
        kubeconfig=kubeconfig,
        master=args.master_url,
        context=context,
        environment=os.environ,
        run_plugin=run_plugin,
    )
    try:
        return run_with_reactor(lambda reactor: work(APIClient(reactor, access, APIConnector(reactor))))
    except ExchangeError as error:
        raise CommandError(f"{access.url}: {error}") from None


def _kubeconfig(context: str) -> tuple[str, str]:
    """Return the kubeconfig file that has the context, and the context's name. Empty if there is no file.

    Of the files in KUBECONFIG, `current_context` decides which one names it.
    """
    usual = Path.home() / ".kube" / "config"
    paths = kubeconfig_paths(None)
    existing = [path for path in paths if path.exists()]
    if len(existing) <= 1:
        path = (existing or paths)[0]
        return ("" if path == usual and not existing else str(path)), context
    files = [(path, read_kubeconfig(path)) for path in existing]
    name = context or current_context(files)
    chosen = next((path for path, file in files if name and file.entry("contexts", name)), existing[0])
    return str(chosen), name
