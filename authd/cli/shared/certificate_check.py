"""Checks the certificate in the state directory, if it is readable."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cryptography import x509

from authd.config.settings import Settings
from authd.state.atomic_file import read_regular
from authd.state.certificate_checks import Validity, issuer_problem, name_problem, validity_of
from authd.state.certificate_store import StateFiles
from authd.state.kubeconfig_checks import kubeconfig_problem

#: A certificate without automatic renewal is reported this many days before its end.
_SOON_DAYS = 30


def certificate_warnings(settings: Settings, now: datetime) -> Iterator[str]:
    """Yield faults of names, dates and file modes, except those that the daemon corrects with its own CA."""
    files = StateFiles(folder=Path(settings.state_dir))
    if problem := certificate_problem(settings, files, now):
        yield problem
    if problem := _trust_problem(settings, files):
        yield problem
    if exposed := files.exposed_keys():
        yield exposed


def certificate_problem(settings: Settings, files: StateFiles, now: datetime) -> str:
    """Return the fault of the certificate's names or dates. Empty if there is none or the file can't be read."""
    try:
        certificate = x509.load_pem_x509_certificate(read_regular(files.certificate))
    except OSError:
        return ""
    except ValueError:
        return f"{files.certificate} is not a certificate"
    problem = validity_of(certificate).problem(now) or name_problem(certificate, settings.hostname)
    authority = _signer(certificate, files)
    if authority is not None:
        wrong = validity_of(authority).problem(now)
        if wrong:
            problem = f"signed by ca.pem, which is {wrong}"
        elif files.can_sign:
            return ""
    if problem:
        return f"{files.certificate} is {problem}: kube-apiserver would refuse it as {settings.hostname}"
    return _expiry_warning(files.certificate, validity_of(certificate), now)


def _expiry_warning(path: Path, validity: Validity, now: datetime) -> str:
    days = validity.days_left(now)
    if days > _SOON_DAYS:
        return ""
    return (
        f"{path} ends in {days:.0f} days, at {validity.ends.isoformat()}, and nothing renews it: replace it and its "
        "key, or remove both and run `authd init`"
    )


def _trust_problem(settings: Settings, files: StateFiles) -> str:
    """Return why the kubeconfig doesn't trust the certificate. Empty if it does or if a file can't be read."""
    try:
        serving_pem = read_regular(files.certificate)
        return kubeconfig_problem(Path(settings.generate_kubeconfig), serving_pem)
    except OSError:
        return ""


def _signer(certificate: x509.Certificate, files: StateFiles) -> x509.Certificate | None:
    try:
        authority = x509.load_pem_x509_certificate(read_regular(files.authority))
    except (OSError, ValueError):
        return None
    return None if issuer_problem(certificate, authority) else authority
