"""`authd verify`: verifies a token on the command line, with the daemon's code."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext, redirect_stdout
from datetime import UTC, datetime
from typing import Any

from authd.cli.shared.errors import CommandError
from authd.cli.shared.live import DEFAULT_CONFIG
from authd.cli.shared.output import add_output_option, print_json, print_table
from authd.cli.shared.reactor_run import run_with_reactor
from authd.cli.shared.settings_file import config_file, read_settings
from authd.cli.verify.verification import Verdict, Verification, verify_token
from authd.config.settings import Loaded
from authd.daemon.command_line.program_name import CLUSTER_ID_VARIABLE, Program
from authd.daemon.sts.setup import sts_access
from authd.partition_data import load_partitions

_DESCRIPTION = """\
Verify a token as the daemon does: check it, ask STS for the caller's identity, and find the mapping if the settings
file has any. Give the token on standard input (-t -), because everybody on the machine can read command lines.
"""

_EXAMPLES = """\
examples:
  authd-token -i my-cluster --token-only | authd verify -i my-cluster -t -
  aws eks get-token --cluster-name my-cluster | authd verify -c /etc/authd/config.yaml -t - -o json
"""

_STATUS = {Verdict.ALLOWED: 0, Verdict.VERIFIED: 0, Verdict.REFUSED: 1, Verdict.UNAVAILABLE: 2}
#: Larger than any ExecCredential with a token.
_MAX_INPUT = 65_536


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd verify`."""
    parser = subparsers.add_parser(
        "verify",
        help="verify a token at STS, as the daemon does",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "-t", "--token", metavar="TOKEN", required=True,
        help="the token, or - for standard input, also inside an ExecCredential",
    )  # fmt: skip
    parser.add_argument("-i", "--cluster-id", metavar="ID", help="the cluster that the token must be for (clusterID)")
    parser.add_argument(
        "-c", "--config", metavar="FILE",
        help=f"the daemon's settings file, with its mappings ({DEFAULT_CONFIG}, or none if -i is given)",
    )  # fmt: skip
    parser.add_argument("--partition", metavar="NAME", help="the AWS partition (server.partition, aws)")
    add_output_option(parser)


def run(args: argparse.Namespace) -> int:
    """Verify the token and print the result."""
    program: Program = args.program
    cluster = args.cluster_id or os.environ.get(CLUSTER_ID_VARIABLE) or None
    config = config_file(args.config, cluster, program.config)
    loaded = read_settings(config, {"clusterID": cluster, "server.partition": args.partition})
    given: str = args.token
    verification = verify_at_sts(_token_in(_standard_input()) if given == "-" else given, loaded)
    # aws-iam-authenticator prints failures to standard error.
    failed = program.is_alias and _STATUS[verification.verdict]
    with redirect_stdout(sys.stderr) if failed else nullcontext():
        _print(verification, args.output)
    return _STATUS[verification.verdict]


def _print(verification: Verification, output: str) -> None:
    if output == "json":
        print_json({name: value for name, _, value in _fields(verification)})
    else:
        print_table((title, value) for _, title, value in _fields(verification))


def verify_at_sts(token: str, loaded: Loaded) -> Verification:
    """Verify a token with the reactor of this process. Raises `ConfigError`."""
    return run_with_reactor(lambda reactor: _verify(reactor, token, loaded))


async def _verify(reactor: Any, token: str, loaded: Loaded) -> Verification:
    settings = loaded.settings
    sts = sts_access(reactor, settings, load_partitions()[settings.partition])
    try:
        return await verify_token(token, loaded, sts.hosts, sts.client.ask, time.time())
    finally:
        sts.agent.close_idle()


def _standard_input() -> str:
    return sys.stdin.buffer.read(_MAX_INPUT).decode("utf-8", "replace")  # such a text is refused as any other


def _token_in(text: str) -> str:
    """Return the token in a text, which is a bare token or an ExecCredential."""
    text = text.strip()
    if not text.startswith("{"):
        return text
    try:
        token = json.loads(text)["status"]["token"]
    except (ValueError, KeyError, TypeError, RecursionError):
        token = None
    if not isinstance(token, str):
        raise CommandError("standard input is neither a token nor an ExecCredential with status.token")
    return token


def _fields(found: Verification) -> Iterator[tuple[str, str, Any]]:
    yield "decision", "decision", str(found.verdict)
    if found.reason:
        yield "reason", "reason", found.reason
        yield "message", "", found.message
    if found.user is not None:
        yield "username", "username", found.user.username
        yield "groups", "groups", list(found.user.groups)
        yield "rule", "rule", found.user.rule
    if found.identity is not None:
        yield "arn", "ARN", found.identity.arn_text
        yield "canonical_arn", "canonical ARN", found.identity.canonical_arn
        yield "account", "account", found.identity.arn.account
        yield "principal_id", "principal id", found.identity.principal_id
        uid = f"aws-iam-authenticator:{found.identity.arn.account}:{found.identity.principal_id}"
        yield "uid", "uid", uid
        yield "sts_request_id", "request id", found.identity.request_id
    if found.request is not None:
        yield "access_key_id", "access key", found.request.access_key_id
        yield "sts_host", "STS host", found.request.host
        yield "signed_at", "signed", _utc(found.request.date)
        yield "valid_until", "good until", _utc(found.request.expiry)
        yield "token", "token digest", found.request.digest[:12]


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
