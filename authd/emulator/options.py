"""The emulator's command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from authd.emulator.control import read_injection
from authd.emulator.directory.errors import EmulatorError
from authd.emulator.faults.plan import Fault
from authd.emulator.sts.hosts import GLOBAL_REGION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authd.emulator.faults.plan import Injection

_EXAMPLE: Final = """\
example:
  python -m authd.emulator --port 8443 --ca-out ca.pem &
  AWS_ACCESS_KEY_ID=AKIAEMULATORALICE000 \\
  AWS_SECRET_ACCESS_KEY=alice/secret+key/of+the+emulator/0000000 \\
  AWS_CA_BUNDLE=ca.pem aws sts get-caller-identity --region us-east-1 --endpoint-url https://localhost:8443

When it listens it prints one line of JSON: {"address": "https://127.0.0.1:8443", "port": 8443, "ca": "ca.pem"}.
It ends on SIGTERM or SIGINT.

faults, as NAME[:PHASE][,times=N][,seconds=S][,action=A][,location=HOST]:
"""
_PORTS: Final = range(65_536)


def read_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. Exits with status 2 and a message if it is invalid."""
    parser = argparse.ArgumentParser(
        prog="python -m authd.emulator",
        description="An STS over TLS on loopback that really verifies Signature Version 4. For demos and tests.",
        epilog=_EXAMPLE + "\n".join(f"  {fault.label:17}{fault.description}" for fault in Fault),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--listen", metavar="ADDRESS", default="127.0.0.1", help="loopback address to listen on (127.0.0.1)")
    add("--port", type=_port, default=0, help="port to listen on (0: any free one)")
    add("--directory", metavar="FILE", type=Path, help="accounts, keys and roles, as JSON (an example directory)")
    add("--certificate", metavar="FILE", type=Path, help="certificate chain in PEM (made by a throw-away authority)")
    add("--key", metavar="FILE", type=Path, help="the certificate's key in PEM")
    add(
        "--ca-out",
        metavar="FILE",
        type=Path,
        help="where to put the throw-away authority's certificate (ca.pem in a "
        "temporary folder that is removed at the end)",
    )
    add(
        "--host",
        metavar="NAME=REGION",
        type=_host,
        action="append",
        default=[],
        help="another host name to answer for; may be repeated",
    )
    add("--home-region", default=GLOBAL_REGION, help=f"region that loopback names sign as ({GLOBAL_REGION})")
    add("--fault", metavar="FAULT", type=_fault, action="append", default=[], help="go wrong; may be repeated")
    add("--control", action="store_true", help="let clients inject faults and read counters under /_emulator/")
    options = parser.parse_args(arguments)
    if (options.certificate is None) != (options.key is None):
        parser.error("--certificate and --key belong together")
    if options.certificate is not None and options.ca_out is not None:
        parser.error("--ca-out is for the throw-away authority, which --certificate replaces")
    return options


def read_fault(text: str) -> Injection:
    """Parse the value of `--fault`. Raises `EmulatorError`."""
    head, *settings = text.split(",")
    label, colon, phase = head.partition(":")
    members: dict[str, Any] = {"fault": label} | ({"phase": phase} if colon else {})
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise EmulatorError(f"{setting!r} is not NAME=VALUE")
        members[name] = _number(name, value)
    return read_injection(members)


def _number(name: str, value: str) -> str | int | float:
    try:
        return int(value) if name == "times" else float(value) if name == "seconds" else value
    except ValueError:
        raise EmulatorError(f"{name} is not a number") from None


def _fault(text: str) -> Injection:
    try:
        return read_fault(text)
    except EmulatorError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _host(text: str) -> tuple[str, str]:
    name, equals, region = text.partition("=")
    if not (name and equals and region):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=REGION")
    return name.lower(), region


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) not in _PORTS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)
