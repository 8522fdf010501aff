"""Checks the serving certificate: names, days left, and whether the webhook kubeconfig trusts it."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509

from authd.cli.doctor.findings import Finding, error, ok, warning
from authd.cli.doctor.installation import Installation
from authd.cli.shared.certificate_check import certificate_problem
from authd.state.atomic_file import read_regular
from authd.state.certificate_checks import validity_of
from authd.state.kubeconfig_checks import kubeconfig_problem


def examine_certificate(installation: Installation) -> Iterator[Finding]:
    """Check the certificate in the state directory, and whether the webhook kubeconfig trusts it."""
    path = installation.files.certificate
    try:
        certificate = x509.load_pem_x509_certificate(read_regular(path))
    except PermissionError:
        yield warning(f"{path} can't be read: Permission denied", "run authd doctor with sudo")
        return
    except OSError as failure:
        yield error(f"there is no certificate {path}: {failure.strerror}", installation.init_command)
        return
    except ValueError:
        yield error(f"{path} is not a certificate", f"rm {path}, then {installation.init_command}")
        return
    if problem := certificate_problem(installation.settings, installation.files, installation.now):
        yield warning(problem, f"replace {path}, or remove it and run {installation.init_command}")
    else:
        renewal = "authd renews it" if installation.files.can_sign else "nothing renews it"
        yield ok(f"{path} is valid for {validity_of(certificate).days_left(installation.now):.0f} more days, {renewal}")
    yield _trust(installation)


def _trust(installation: Installation) -> Finding:
    """Compare the certificate with the CA and the server's name in the kubeconfig."""
    path = installation.kubeconfig
    try:
        problem = kubeconfig_problem(path, read_regular(installation.files.certificate))
    except FileNotFoundError:
        return error(f"the webhook kubeconfig {path} is missing", installation.init_command)
    except OSError as failure:
        return warning(f"{path} can't be read: {failure.strerror}", "run authd doctor with sudo")
    return error(problem, installation.init_command) if problem else ok(f"{path} trusts the certificate")
