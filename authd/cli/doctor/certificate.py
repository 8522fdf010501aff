"""Checks the serving certificate: names, days left, and whether the webhook kubeconfig trusts it."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509

from authd.cli.doctor.findings import Finding, error, ok, warning
from authd.cli.doctor.subject import Subject
from authd.cli.shared.certificate_check import certificate_problem
from authd.state.atomic_file import read_regular
from authd.state.certificate_checks import validity_of
from authd.state.kubeconfig_checks import kubeconfig_problem


def examine_certificate(subject: Subject) -> Iterator[Finding]:
    """Check the certificate in the state directory, and whether the webhook kubeconfig trusts it."""
    path = subject.files.certificate
    try:
        certificate = x509.load_pem_x509_certificate(read_regular(path))
    except PermissionError:
        yield warning(f"{path} can't be read: Permission denied", "run authd doctor with sudo")
        return
    except OSError as failure:
        yield error(f"there is no certificate {path}: {failure.strerror}", subject.init_command)
        return
    except ValueError:
        yield error(f"{path} is not a certificate", f"rm {path}, then {subject.init_command}")
        return
    if problem := certificate_problem(subject.settings, subject.files, subject.now):
        yield warning(problem, f"replace {path}, or remove it and run {subject.init_command}")
    else:
        renewal = "authd renews it" if subject.files.can_sign else "nothing renews it"
        yield ok(f"{path} is valid for {validity_of(certificate).days_left(subject.now):.0f} more days, {renewal}")
    yield _trust(subject)


def _trust(subject: Subject) -> Finding:
    """Compare the certificate with the CA and the server's name in the kubeconfig."""
    path = subject.kubeconfig
    try:
        problem = kubeconfig_problem(path, read_regular(subject.files.certificate))
    except FileNotFoundError:
        return error(f"the webhook kubeconfig {path} is missing", subject.init_command)
    except OSError as failure:
        return warning(f"{path} can't be read: {failure.strerror}", "run authd doctor with sudo")
    return error(problem, subject.init_command) if problem else ok(f"{path} trusts the certificate")
