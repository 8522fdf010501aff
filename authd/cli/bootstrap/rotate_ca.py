"""`authd rotate-ca`: changes the CA of the webhook without a refused login."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from authd.cli.bootstrap import processes
from authd.cli.bootstrap.ca_rotation import Rotation, Step
from authd.cli.bootstrap.shared_ca import usable_ca
from authd.cli.shared.errors import CommandError
from authd.cli.shared.live import add_config_option
from authd.cli.shared.output import add_output_option, print_json
from authd.cli.shared.settings_file import read_settings
from authd.config.settings import Settings
from authd.state.certificate_store import StateFiles
from authd.state.kubeconfig import ensure_kubeconfig
from authd.state.x509 import CertifiedKey

_DESCRIPTION = """\
Change the CA of the webhook without a refused login. Each run does the next of three steps and names the process to
restart before the next run:

  1. The kubeconfig trusts the old CA and a new one.
     Then restart kube-apiserver.
  2. The daemon serves a certificate of the new CA, at once.
     Then restart kube-apiserver if you use mutual TLS.
  3. The kubeconfig trusts the new CA alone.
     Then restart kube-apiserver when it suits you.

Do each step on all control-plane nodes that share a CA before the next one.
"""
_EXAMPLES = """\
examples:
  sudo authd rotate-ca
  sudo authd rotate-ca --ca /root/new-ca
"""

#: The step that wrote the kubeconfig which kube-apiserver must have read before this one.
_PREVIOUS = {Step.SIGN_WITH_NEW: Step.TRUST_BOTH, Step.DROP_OLD: Step.SIGN_WITH_NEW}
_DONE = {
    Step.TRUST_BOTH: "the kubeconfig trusts the old CA and the new one",
    Step.SIGN_WITH_NEW: "the daemon serves a certificate of the new CA, as soon as it sees the file",
    Step.DROP_OLD: "the kubeconfig trusts the new CA alone",
}
_NEXT = {
    Step.TRUST_BOTH: "restart kube-apiserver on this node, then run `authd rotate-ca` again",
    Step.SIGN_WITH_NEW: "check /readyz, restart kube-apiserver if you use mutual TLS, then run `authd rotate-ca` again",
    Step.DROP_OLD: "the change is complete: restart kube-apiserver when it suits you, to forget the old CA",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The step that was done, and whether it changed the kubeconfig."""

    step: Step
    kubeconfig_written: bool


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd rotate-ca`."""
    parser = subparsers.add_parser(
        "rotate-ca",
        help="change the CA of the webhook without a refused login",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_config_option(parser)
    parser.add_argument("--ca", metavar="DIR", help="take the new CA from DIR (ca.pem, ca-key.pem) in the first step")
    parser.add_argument("--force", action="store_true", help="go on although kube-apiserver was not restarted")
    add_output_option(parser)


def run(args: argparse.Namespace) -> int:
    """Do the next step, and print it with the process to restart."""
    settings = read_settings(args.config, {}).settings
    result = advance(settings, datetime.now(UTC), shared=args.ca, force=args.force)
    if args.output == "json":
        print_json({"step": result.step, "next": _NEXT[result.step]})
    else:
        print(f"done  {_DONE[result.step]}")
        print(f"next  {_NEXT[result.step]}")
    return 0


def advance(settings: Settings, now: datetime, *, shared: str | None, force: bool) -> Result:
    """Do the next step of the rotation, or finish the last one if its kubeconfig was not written.

    Raises `CommandError` and `ConfigError`.
    """
    files = StateFiles(folder=Path(settings.state_dir))
    kubeconfig = Path(settings.generate_kubeconfig)
    rotation = Rotation(files=files)
    try:
        previous = _PREVIOUS.get(rotation.step())
        if previous and _write_kubeconfig(settings, files, now):
            return Result(step=previous, kubeconfig_written=True)
        if not force and _needs_restart(rotation.step(), settings):
            _require_restart(kubeconfig)
        new = _shared_ca(Path(shared), files, now) if shared else None
        step = rotation.advance(settings.own_names, now, new)
    except OSError as error:
        raise CommandError(
            f"{error.filename or files.folder}: {error.strerror}: run this as root, after `authd init`"
        ) from None
    except ValueError as error:
        raise CommandError(f"{files.authority}: the CA is unusable ({error}): restore it from a backup") from None
    return Result(step=step, kubeconfig_written=_write_kubeconfig(settings, files, now))


def _write_kubeconfig(settings: Settings, files: StateFiles, now: datetime) -> bool:
    """Write the kubeconfig if it is outdated. Returns whether it was written. Raises `ConfigError`."""
    return ensure_kubeconfig(
        Path(settings.generate_kubeconfig), files, host=settings.hostname, port=settings.port, now=now,
        mutual_tls=settings.require_client_certificate,
    )  # fmt: skip


def _needs_restart(step: Step, settings: Settings) -> bool:
    """Whether kube-apiserver must have read the current kubeconfig, for the new CA or for its new certificate."""
    return step is Step.SIGN_WITH_NEW or (step is Step.DROP_OLD and settings.require_client_certificate)


def _shared_ca(folder: Path, files: StateFiles, now: datetime) -> CertifiedKey:
    new = usable_ca(StateFiles(folder=folder), now)
    if new.key_pem == files.read_authority().key_pem:
        raise CommandError(f"{files.folder} has the CA of {folder} already: put a new one there first")
    return new


def _require_restart(kubeconfig: Path) -> None:
    """Raise `CommandError` if a kube-apiserver of this machine has not read the current kubeconfig."""
    stale = processes.started_before("kube-apiserver", kubeconfig.stat().st_mtime, str(kubeconfig))
    if stale:
        raise CommandError(
            f"kube-apiserver (PID {stale[0]}) has not read {kubeconfig} since the last step, and would refuse every "
            "login after this one: restart it first, or use --force"
        )
