"""`authd demo`: the whole path on loopback, with the real daemon, the real plugin and an emulated STS."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from contextlib import ExitStack, nullcontext, redirect_stdout, suppress
from pathlib import Path

import twisted.python  # noqa: F401  # fails early, with a message, if the daemon's dependencies are missing

from authd.cli.demo import scenario
from authd.cli.demo.daemon_process import DaemonProcess, EmulatorChild
from authd.cli.demo.demonstration import Demonstration
from authd.cli.demo.graceful_exit import GracefulExit
from authd.cli.demo.hints import hints
from authd.cli.demo.tokens import Mint
from authd.cli.demo.webhook_client import Webhook
from authd.cli.shared.output import add_output_option, print_json

_DESCRIPTION = """\
Show logins from end to end, without an AWS account and without a cluster. The command starts the daemon and an STS
emulator that verifies signatures, both on loopback. It mints tokens with authd-token, posts TokenReviews as
kube-apiserver does, and shows the Kubernetes user or the reason of the refusal for each caller. Then it changes, breaks
and repairs the settings file while the daemon runs. It ends by itself.
"""
_EXAMPLES = """\
examples:
  authd demo
  authd demo --serve
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd demo`."""
    parser = subparsers.add_parser(
        "demo",
        help="show the whole path on loopback, without AWS",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_output_option(parser)
    parser.add_argument("--serve", action="store_true", help="stay up afterwards and print what to try next")


def run(args: argparse.Namespace) -> int:
    """Run the demonstration and return 0 if every outcome was the expected one."""
    with GracefulExit() as graceful_exit, ExitStack() as stack:
        with redirect_stdout(sys.stderr) if args.output == "json" else nullcontext():
            demonstration = _start(graceful_exit, stack)
            good = demonstration.run()
            print("\nAll outcomes are as expected." if good else "\nSome outcomes DIFFER: see EXPECTED.")
        if args.output == "json":
            print_json({"passed": good, "cases": [each.as_json() for each in demonstration.outcomes]})
            sys.stdout.flush()
        if args.serve:
            _serve(args, demonstration)
    return 0 if good else 1


def _serve(args: argparse.Namespace, demonstration: Demonstration) -> None:
    """Print what to try, and wait for a signal."""
    print(hints(demonstration), flush=True, file=sys.stderr if args.output == "json" else sys.stdout)
    with suppress(SystemExit):
        signal.pause()


def _start(graceful_exit: GracefulExit, stack: ExitStack) -> Demonstration:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="authd-demo-")))
    home, log = folder / "home", folder / "log"
    home.mkdir()
    log.mkdir()
    print("Starting an STS emulator and the daemon on loopback …", flush=True)
    with graceful_exit.deferred():
        emulator = stack.enter_context(EmulatorChild("--ca-out", str(folder / "sts-ca.pem")))
    settings = folder / "config.yaml"
    settings.write_text(scenario.settings(folder, emulator.port, emulator.ca), "utf-8")
    daemon = stack.enter_context(DaemonProcess(settings, log / "daemon.log"))
    listening = next(event for event in daemon.events() if "health_port" in event)
    return Demonstration(
        settings=settings,
        daemon=daemon,
        emulator=emulator,
        webhook=Webhook(folder / "webhook-kubeconfig.yaml"),
        mint=Mint(home=home, sts=f"https://127.0.0.1:{emulator.port}", sts_ca=emulator.ca),
        health=f"http://127.0.0.1:{listening['health_port']}",
    )
