"""`authd init`: certificates and the webhook kubeconfig, before kube-apiserver and the daemon start."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from contextlib import nullcontext, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

from authd.cli.bootstrap.options import add_options, change_manifest, check_options, only_manifest
from authd.cli.bootstrap.shared_ca import adopt, ensure_shared
from authd.cli.bootstrap.state_setup import SetupResult, certificate_of, make, make_for_upload
from authd.cli.shared.errors import CommandError
from authd.cli.shared.live import DEFAULT_CONFIG
from authd.cli.shared.output import add_output_option, print_json, print_text, warn
from authd.cli.shared.settings_file import config_file, read_settings
from authd.config.settings import Settings
from authd.daemon.command_line.program_name import CLUSTER_ID_VARIABLE, Program
from authd.state.certificate_checks import name_problem, validity_of
from authd.state.certificate_store import StateFiles

_DESCRIPTION = """\
Make the certificates by which the daemon and kube-apiserver trust each other: in the state directory a small CA and the
server's certificate that it signed, and the webhook kubeconfig for kube-apiserver.

With --cluster-id and without --config it works from the options and the defaults. Existing files are kept, so that you
can run it again. A cert.pem and key.pem of aws-iam-authenticator are used as they are.

With --out the files are for upload to other machines: cert.pem and key.pem last ten years, and the CA's key is
deleted. Add --with-ca to upload the CA as well, and the daemon renews the certificate.
"""
_EXAMPLES = """\
examples:
  sudo authd init -c /etc/authd/config.yaml
  sudo authd init --patch-manifest /etc/kubernetes/manifests/kube-apiserver.yaml
  authd init -i my-cluster --out upload --with-ca
"""

_OPTIONS = {
    "cluster_id": "clusterID",
    "state_dir": "server.stateDir",
    "generate_kubeconfig": "server.generateKubeconfig",
    "hostname": "server.hostname",
    "address": "server.address",
    "port": "server.port",
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd init`."""
    parser = subparsers.add_parser(
        "init",
        help="make certificates and the webhook kubeconfig",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("-i", "--cluster-id", metavar="ID", help="the cluster's ID, which tokens are signed for")
    parser.add_argument(
        "-c", "--config", metavar="FILE",
        help=f"the daemon's settings file ({DEFAULT_CONFIG}, or none if -i is given); options override it",
    )  # fmt: skip
    parser.add_argument("--state-dir", metavar="DIR", help="the folder of the certificates (/var/lib/authd)")
    parser.add_argument(
        "--generate-kubeconfig", metavar="FILE", help="the webhook kubeconfig (/etc/kubernetes/authd/kubeconfig.yaml)"
    )
    parser.add_argument("--hostname", metavar="NAME", help="kube-apiserver's name for the daemon (localhost)")
    parser.add_argument("--address", metavar="IP", help="the address the daemon listens on (127.0.0.1)")
    parser.add_argument("--port", metavar="PORT", help="the port the daemon listens on (21362)")
    parser.add_argument("--out", metavar="DIR", help="write files for upload into this folder")
    parser.add_argument("--with-ca", action="store_true", help="with --out: write the CA too, for renewal")
    parser.add_argument(
        "--mutual-tls", action="store_true",
        help="put a client certificate into the kubeconfig, for server.requireClientCertificate",
    )  # fmt: skip
    add_options(parser)
    add_output_option(parser)


def run(args: argparse.Namespace) -> int:
    """Create the missing files, and print them and the next steps."""
    program: Program = args.program
    options = {setting: getattr(args, name) for name, setting in _OPTIONS.items()}
    options["clusterID"] = options["clusterID"] or os.environ.get(CLUSTER_ID_VARIABLE) or None
    config = config_file(args.config, options["clusterID"], program.config)
    settings = read_settings(config, options, program.defaults).settings
    if settings.port == 0:
        raise CommandError("--port 0 means any free port: give the daemon's actual port")
    mutual = args.mutual_tls or settings.require_client_certificate
    now = datetime.now(UTC)
    out = args.out or ("." if program.is_alias else None)
    check_options(args)
    if only_manifest(args):
        _print_manifest(args, change_manifest(args, settings))
        return 0
    if out is not None:
        _upload(args, settings, Path(out), now, mutual_tls=mutual)
        return 0
    if args.with_ca:
        raise CommandError("--with-ca needs --out DIR: without it, the CA is always kept")
    files = StateFiles(folder=Path(settings.state_dir))
    if args.ca:
        adopt(Path(args.ca), files, now)
    result = make(settings, files, now, mutual_tls=mutual)
    _warn_of_name(settings, files)
    diff = change_manifest(args, settings)
    if args.output == "json":
        print_json({**_as_json(settings, files, result, renewed=files.can_sign), "manifestDiff": diff})
    else:
        print_text(_as_text(settings, files, result, mutual_tls=mutual))
        print(diff, end="")
    return 0


def _print_manifest(args: argparse.Namespace, diff: str) -> None:
    if args.output == "json":
        print_json({"manifestDiff": diff})
    else:
        print_text(diff.rstrip("\n") or "nothing to change")


def _upload(args: argparse.Namespace, settings: Settings, folder: Path, now: datetime, *, mutual_tls: bool) -> None:
    program: Program = args.program
    shared = ensure_shared(Path(args.ca), now) if args.ca else None
    with_ca = args.with_ca or shared is not None
    if mutual_tls and not with_ca:
        raise CommandError("mutual TLS needs the CA in the state directory: add --with-ca, and upload ca.pem too")
    name = f"{program.name}.kubeconfig" if program.is_alias else Path(settings.generate_kubeconfig).name
    files = StateFiles(folder=folder)
    result = make_for_upload(settings, files, folder / name, now, with_ca=with_ca, mutual_tls=mutual_tls, shared=shared)
    _warn_of_name(settings, files)
    if args.output == "json":
        print_json(_as_json(settings, files, result, renewed=files.can_sign))
        return
    lines = _upload_text(settings, files, result, folder / name)
    with redirect_stdout(sys.stderr) if program.is_alias else nullcontext():
        print_text("\n".join(lines))


def _warn_of_name(settings: Settings, files: StateFiles) -> None:
    """Warn if the certificate is for other names, because kube-apiserver would not connect."""
    if problem := name_problem(certificate_of(files), settings.hostname):
        remedy = f"remove {files.certificate} and {files.key}, run this again and restart the daemon"
        warn(f"the certificate is {problem}: {remedy}")


def _flags(settings: Settings) -> list[str]:
    return [
        f"--authentication-token-webhook-config-file={settings.generate_kubeconfig}",
        "--authentication-token-webhook-version=v1",
    ]


def _ends(files: StateFiles) -> str:
    return validity_of(certificate_of(files)).ends.strftime("%Y-%m-%dT%H:%M:%SZ")


def _as_json(settings: Settings, files: StateFiles, result: SetupResult, *, renewed: bool) -> dict[str, object]:
    return {
        "clusterID": settings.cluster_id,
        "written": result.written,
        "kept": result.kept,
        "kubeAPIServerFlags": _flags(settings),
        "certificateEnds": _ends(files),
        "renewedByDaemon": renewed,
    }


def _renewal(files: StateFiles) -> str:
    if files.can_sign:
        return (
            f"The certificate ends at {_ends(files)}. The daemon renews it with {files.authority_key.name}, which must "
            "stay beside it."
        )
    return (
        f"The certificate ends at {_ends(files)}. Its CA's key is not here, so the daemon can't renew it: make a "
        "new pair and kubeconfig before that."
    )


def _as_text(settings: Settings, files: StateFiles, result: SetupResult, *, mutual_tls: bool) -> str:
    lines = [f"wrote  {path}" for path in result.written] + [f"kept   {path}" for path in result.kept]
    lines += ["", _renewal(files), "To make files for upload to other machines, use --out DIR."]
    lines += ["", "Flags for kube-apiserver, which must see that kubeconfig:"]
    lines += [f"  {flag}" for flag in _flags(settings)]
    lines += ["", "Settings for the daemon, which then needs no access to the kubeconfig:"]
    lines += ["  server:", "    kubeconfigPregenerated: true"]
    if mutual_tls:
        lines.append("    requireClientCertificate: true")
    lines += ["", "A token for this cluster:", f"  authd-token -i {shlex.quote(settings.cluster_id)}"]
    return "\n".join(lines)


def _upload_text(settings: Settings, files: StateFiles, result: SetupResult, kubeconfig: Path) -> list[str]:
    lines = [f"wrote  {path}" for path in result.written] + [f"kept   {path}" for path in result.kept]
    lines += ["", _renewal(files), "", "Copy to every control plane node:"]
    copied = [files.authority, files.authority_key] if files.can_sign else []
    lines += [f"  {path} to {settings.state_dir}/{path.name}" for path in (files.certificate, files.key, *copied)]
    lines += [f"  {kubeconfig} to {settings.generate_kubeconfig}", "", "Flags for kube-apiserver:"]
    lines += [f"  {flag}" for flag in _flags(settings)]
    return [*lines, "", "Flag for the daemon: --kubeconfig-pregenerated=true"]
