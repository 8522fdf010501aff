"""`authd init`: certificates and the webhook kubeconfig, before kube-apiserver and the daemon start."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from authd.cli.errors import CommandError
from authd.cli.settings_file import read_settings
from authd.config.settings import Settings
from authd.state.atomic_file import read_regular
from authd.state.certificate_checks import issuer_problem, name_problem
from authd.state.certificate_store import StateFiles
from authd.state.kubeconfig import ensure_kubeconfig

_DESCRIPTION = """\
Make what the daemon and kube-apiserver need to trust each other: in the state directory a small certificate
authority and the server's certificate that it signed, and the webhook kubeconfig for kube-apiserver.

Without --config it works from the options and the defaults. What is there already is kept, so that it can be run
again; a cert.pem and key.pem of aws-iam-authenticator are used as they are.
"""

_OPTIONS = {
    "cluster_id": "clusterID",
    "state_dir": "server.stateDir",
    "generate_kubeconfig": "server.generateKubeconfig",
    "hostname": "server.hostname",
    "address": "server.address",
    "port": "server.port",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What `init` wrote and what it kept; paths, in the order of their making."""

    written: tuple[str, ...]
    kept: tuple[str, ...]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd init`."""
    parser = subparsers.add_parser(
        "init",
        help="make certificates and the webhook kubeconfig",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("-i", "--cluster-id", metavar="ID", help="the cluster's id, which tokens are signed for")
    parser.add_argument("-c", "--config", metavar="FILE", help="the daemon's settings file; options override it")
    parser.add_argument("--state-dir", metavar="DIR", help="where certificates are kept (/var/lib/authd)")
    parser.add_argument(
        "--generate-kubeconfig", metavar="FILE",
        help="where to put the webhook kubeconfig (/etc/kubernetes/authd/kubeconfig.yaml)",
    )  # fmt: skip
    parser.add_argument("--hostname", metavar="NAME", help="the name kube-apiserver calls the daemon by (localhost)")
    parser.add_argument("--address", metavar="IP", help="the address the daemon listens on (127.0.0.1)")
    parser.add_argument("--port", metavar="PORT", help="the port the daemon listens on (21362)")
    parser.add_argument(
        "--mutual-tls", action="store_true",
        help="put a client certificate into the kubeconfig; goes with server.requireClientCertificate",
    )  # fmt: skip
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="how to tell what was done")


def run(args: argparse.Namespace) -> int:
    """Make what is missing, and say what was made and what to do with it."""
    settings = read_settings(args.config, {setting: getattr(args, name) for name, setting in _OPTIONS.items()}).settings
    if settings.port == 0:
        raise CommandError("--port 0 stands for any free port: the kubeconfig needs the one that it will be")
    mutual = args.mutual_tls or settings.require_client_certificate
    made = make(settings, datetime.now(UTC), mutual_tls=mutual)
    _warn_of_name(settings)
    if args.output == "json":
        print(json.dumps(_as_json(settings, made), indent=2))
    else:
        print(_as_text(settings, made, mutual_tls=mutual))
    return 0


def make(settings: Settings, now: datetime, *, mutual_tls: bool) -> Made:
    """Make the certificates and the kubeconfig where they are missing; raises `ConfigError` or `CommandError`."""
    files = StateFiles(folder=Path(settings.state_dir))
    candidates = (files.authority, files.authority_key, files.certificate, files.key)
    before = {path: _content(path) for path in candidates}
    try:
        files.mend_authority(now)
        files.ensure_pair(settings.own_names, now)
        _mend_name(settings, files, now)
    except OSError as error:
        raise CommandError(f"{files.folder}: certificates can't be made here: {error.strerror}") from None
    except ValueError as error:
        remedy = f"remove {files.authority} and {files.authority_key} to begin with a new one"
        raise CommandError(f"the authority can't sign ({error}): {remedy}") from None
    written = [str(path) for path in candidates if _content(path) != before[path]]
    kept = [str(path) for path in candidates if before[path] and str(path) not in written]
    fresh = ensure_kubeconfig(
        Path(settings.generate_kubeconfig),
        files,
        host=settings.hostname,
        port=settings.port,
        now=now,
        mutual_tls=mutual_tls,
    )
    (written if fresh else kept).append(settings.generate_kubeconfig)
    return Made(written=tuple(written), kept=tuple(kept))


def _mend_name(settings: Settings, files: StateFiles, now: datetime) -> None:
    """Sign another certificate of our own where it is for other names than the one that is wanted."""
    certificate = _certificate(files)
    if not files.authority_key.exists() or not name_problem(certificate, settings.hostname):
        return
    if not issuer_problem(certificate, x509.load_pem_x509_certificate(read_regular(files.authority))):
        files.issue_leaf(files.read_authority(), settings.own_names, now)


def _warn_of_name(settings: Settings) -> None:
    """Say on stderr that the certificate is for other names: kube-apiserver would not connect."""
    files = StateFiles(folder=Path(settings.state_dir))
    if not (problem := name_problem(_certificate(files), settings.hostname)):
        return
    remedy = f"remove {files.certificate} and {files.key}, run this again and restart the daemon"
    print(f"authd: warning: the certificate is {problem}: {remedy}", file=sys.stderr)


def _certificate(files: StateFiles) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(read_regular(files.certificate))
    except ValueError:
        remedy = f"remove it and {files.key.name}, or put a good pair in their place"
        raise CommandError(f"{files.certificate}: this is no certificate: {remedy}") from None


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _flags(settings: Settings) -> list[str]:
    return [
        f"--authentication-token-webhook-config-file={settings.generate_kubeconfig}",
        "--authentication-token-webhook-version=v1",
    ]


def _as_json(settings: Settings, made: Made) -> dict[str, object]:
    return {
        "clusterID": settings.cluster_id,
        "written": made.written,
        "kept": made.kept,
        "kubeAPIServerFlags": _flags(settings),
    }


def _as_text(settings: Settings, made: Made, *, mutual_tls: bool) -> str:
    lines = [f"wrote  {path}" for path in made.written] + [f"kept   {path}" for path in made.kept]
    lines += ["", "Flags for kube-apiserver, which must see that kubeconfig:"]
    lines += [f"  {flag}" for flag in _flags(settings)]
    lines += ["", "Settings for the daemon, which then needs no access to the kubeconfig:"]
    lines += ["  server:", "    kubeconfigPregenerated: true"]
    if mutual_tls:
        lines.append("    requireClientCertificate: true")
    lines += ["", "A token for this cluster:", f"  authd-token -i {shlex.quote(settings.cluster_id)}"]
    return "\n".join(lines)
