"""What the certificate in the state directory would make kube-apiserver refuse: for whoever may look at it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cryptography import x509

from authd.config.settings import Settings
from authd.state.atomic_file import read_regular
from authd.state.certificate_checks import issuer_problem, name_problem, validity_of
from authd.state.certificate_store import StateFiles


def certificate_problem(settings: Settings, now: datetime) -> str:
    """Say what is wrong with the certificate's names and dates, nothing where all is well or it can't be read.

    What the daemon mends by itself, with an authority of its own, is not wrong.
    """
    files = StateFiles(folder=Path(settings.state_dir))
    try:
        certificate = x509.load_pem_x509_certificate(read_regular(files.certificate))
    except OSError:
        return ""
    except ValueError:
        return f"{files.certificate} is no certificate"
    problem = validity_of(certificate).problem(now) or name_problem(certificate, settings.hostname)
    authority = _signer(certificate, files)
    if authority is not None:
        wrong = validity_of(authority).problem(now)
        if wrong:
            problem = f"signed by ca.pem, which is {wrong}"
        elif files.can_sign:
            return ""
    return f"{files.certificate} is {problem}: kube-apiserver would refuse it as {settings.hostname}" if problem else ""


def exposed_keys(settings: Settings) -> str:
    """Return a sentence about private keys that others than their owner can read; nothing if there is none."""
    return StateFiles(folder=Path(settings.state_dir)).exposed_keys()


def _signer(certificate: x509.Certificate, files: StateFiles) -> x509.Certificate | None:
    try:
        authority = x509.load_pem_x509_certificate(read_regular(files.authority))
    except (OSError, ValueError):
        return None
    return None if issuer_problem(certificate, authority) else authority
