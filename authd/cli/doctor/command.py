"""`authd doctor`: checks the whole installation and names the command that fixes each fault."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from authd.cli.doctor.certificate import examine_certificate
from authd.cli.doctor.files import examine_files
from authd.cli.doctor.findings import Finding, error
from authd.cli.doctor.installation import Installation
from authd.cli.doctor.kube_apiserver import examine_kube_apiserver
from authd.cli.doctor.limits import examine_limits
from authd.cli.doctor.permissions import examine_permissions
from authd.cli.doctor.ports import examine_ports
from authd.cli.doctor.report import exit_status, print_report, report_as_json
from authd.cli.doctor.settings import examine_settings
from authd.cli.doctor.sts import examine_sts
from authd.cli.shared.broken_settings import path_in_broken_file
from authd.cli.shared.errors import CommandError
from authd.cli.shared.live import DEFAULT_STATE_DIR, add_config_option
from authd.cli.shared.output import add_output_option, print_json
from authd.core.partitions import REGION

_GROUPS: Mapping[str, Callable[[Installation], Iterator[Finding]]] = MappingProxyType(
    {
        "certificate": examine_certificate,
        "files": examine_files,
        "ports": examine_ports,
        "STS": examine_sts,
        "limits": examine_limits,
        "kube-apiserver": examine_kube_apiserver,
        "permissions": examine_permissions,
    }
)
_MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
_MAX_TIMEOUT = 60.0

_DESCRIPTION = """\
Check the whole installation on a control-plane node: settings and sources, certificate, files, ports, the connection
to STS, the clock, inotify, kube-apiserver's flags and start, and permissions at the Kubernetes API. Each fault has the
command that fixes it. Nothing is changed. The webhook gets one test request, and each STS endpoint one
without credentials.
"""
_EPILOG = """\
examples:
  sudo authd doctor
  sudo authd doctor -c /etc/authd/config.yaml --region eu-central-1 --output json
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd doctor`."""
    parser = subparsers.add_parser(
        "doctor",
        help="check the whole installation, with a fix for each fault",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_config_option(parser)
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        help="the daemon's state directory, if it isn't the settings' stateDir",
    )
    parser.add_argument(
        "--generate-kubeconfig",
        metavar="FILE",
        help="the webhook kubeconfig, if it isn't the settings' generateKubeconfig",
    )
    parser.add_argument(
        "--manifest", metavar="FILE", default=_MANIFEST, help="kube-apiserver's static pod manifest (%(default)s)"
    )
    parser.add_argument(
        "--region",
        metavar="NAME",
        action="append",
        default=[],
        help="an STS region to try besides the configured ones; repeatable",
    )
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=float, default=5.0, help="seconds for each connection (%(default)s)"
    )
    add_output_option(parser)


def run(args: argparse.Namespace) -> int:
    """Check everything and print the report."""
    if not 0 < args.timeout <= _MAX_TIMEOUT:
        raise CommandError(f"--timeout must be more than 0 and at most {_MAX_TIMEOUT:g} seconds")
    if not all(map(REGION.fullmatch, args.region)):
        raise CommandError("--region must be a region's name, such as eu-central-1")
    report = _examine(args)
    if args.output == "json":
        print_json(report_as_json(report))
    else:
        print_report(report)
    return exit_status(report)


def _examine(args: argparse.Namespace) -> dict[str, tuple[Finding, ...]]:
    """Return the findings of each group. If the settings can't be used, only their findings are returned."""
    state_dir = args.state_dir or path_in_broken_file(args.config, "stateDir", DEFAULT_STATE_DIR)
    given = {"server.stateDir": args.state_dir, "server.generateKubeconfig": args.generate_kubeconfig}
    overrides = {setting: value for setting, value in given.items() if value}
    settings = examine_settings(Path(args.config), Path(state_dir), overrides)
    report = {"settings": settings.findings}
    if settings.loaded is None:
        skipped = error("the other checks need usable settings", f"authd check {shlex.quote(args.config)}")
        report["settings"] = (*settings.findings, skipped)
        return report
    installation = Installation(
        config=Path(args.config),
        loaded=settings.loaded,
        now=datetime.now(UTC),
        timeout=args.timeout,
        regions=tuple(args.region),
        manifest=Path(args.manifest),
    )
    return report | {group: tuple(check(installation)) for group, check in _GROUPS.items()}
