"""Creates the certificates and the kubeconfig of `authd init`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from authd.cli.shared.errors import CommandError
from authd.config.settings import Settings
from authd.state.atomic_file import read_regular, write_atomically
from authd.state.certificate_checks import issuer_problem, name_problem
from authd.state.certificate_store import StateFiles
from authd.state.kubeconfig import client_entries, ensure_kubeconfig, webhook_kubeconfig
from authd.state.x509 import LEAF_LIFETIME, CertifiedKey, new_ca, new_client_leaf, new_leaf

#: Ten years with their leap days, for a certificate that can't be renewed.
_UPLOADED_LIFETIME = timedelta(days=3653)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupResult:
    """The paths that `init` wrote and kept, in the order of creation."""

    written: tuple[str, ...]
    kept: tuple[str, ...]


def make(settings: Settings, files: StateFiles, now: datetime, *, mutual_tls: bool) -> SetupResult:
    """Create the missing certificates and the kubeconfig. Raises `ConfigError` or `CommandError`."""
    candidates = (files.authority, files.authority_key, files.certificate, files.key)
    try:
        before = {path: _content(path) for path in candidates}
        files.repair_ca(now)
        files.ensure_pair(settings.own_names, now)
        _correct_name(settings, files, now)
    except OSError as error:
        place = error.filename or files.folder
        raise CommandError(f"{place}: certificates can't be made here: {error.strerror}") from None
    except ValueError as error:
        remedy = (
            f"restore {files.authority} and {files.authority_key}, or remove them with {files.certificate.name} and "
            f"{files.key.name} to begin with a new one, run this again, and restart the daemon and kube-apiserver"
        )
        raise CommandError(f"the CA can't sign ({error}): {remedy}") from None
    written = [str(path) for path in candidates if _content(path) != before[path]]
    kept = [str(path) for path in candidates if before[path] and str(path) not in written]
    kubeconfig = Path(settings.generate_kubeconfig)
    fresh = ensure_kubeconfig(
        kubeconfig, files, host=settings.hostname, port=settings.port, now=now, mutual_tls=mutual_tls
    )
    (written if fresh else kept).append(settings.generate_kubeconfig)
    return SetupResult(written=tuple(written), kept=tuple(kept))


def make_for_upload(
    settings: Settings,
    files: StateFiles,
    kubeconfig: Path,
    now: datetime,
    *,
    with_ca: bool,
    mutual_tls: bool,
    shared: CertifiedKey | None = None,
) -> SetupResult:
    """Create certificate, key and kubeconfig for other machines, unless all exist. `shared` is the CA of all nodes.

    Without the CA the certificate is valid for ten years, because it can't be renewed. Raises `CommandError`.
    """
    paths = [files.certificate, files.key, kubeconfig, *([files.authority, files.authority_key] if with_ca else [])]
    existing = [str(path) for path in paths if path.exists()]
    if len(existing) == len(paths):
        return SetupResult(written=(), kept=tuple(existing))
    if not kubeconfig.exists() and len(existing) == len(paths) - 1:
        fresh = ensure_kubeconfig(
            kubeconfig, files, host=settings.hostname, port=settings.port, now=now, mutual_tls=mutual_tls
        )
        return SetupResult(written=(str(kubeconfig),) if fresh else (), kept=tuple(existing))
    if existing:
        missing = ", ".join(str(path) for path in paths if not path.exists())
        raise CommandError(f"there is {', '.join(existing)}, but not {missing}: remove these, or choose another folder")
    try:
        files.folder.mkdir(parents=True, exist_ok=True)
        authority = shared or new_ca("authd", now, _UPLOADED_LIFETIME)
        _write(settings, files, kubeconfig, now, authority, with_ca=with_ca, mutual_tls=mutual_tls)
    except OSError as error:
        raise CommandError(f"{files.folder}: certificates can't be made here: {error.strerror}") from None
    return SetupResult(written=tuple(map(str, paths)), kept=())


def _write(
    settings: Settings,
    files: StateFiles,
    kubeconfig: Path,
    now: datetime,
    authority: CertifiedKey,
    *,
    with_ca: bool,
    mutual_tls: bool,
) -> None:
    lifetime = LEAF_LIFETIME if with_ca else _UPLOADED_LIFETIME
    client = new_client_leaf(authority, "kube-apiserver", now) if mutual_tls else None
    files.put_pair(new_leaf(authority, settings.own_names, now, lifetime))
    if with_ca:
        files.put_authority(authority)
    content = webhook_kubeconfig(
        host=settings.hostname,
        port=settings.port,
        authority_pem=authority.certificate_pem,
        user=client_entries(client) if client is not None else None,
    )
    write_atomically(kubeconfig, content)


def certificate_of(files: StateFiles) -> x509.Certificate:
    """Return the server's certificate. Raises `CommandError`."""
    try:
        return x509.load_pem_x509_certificate(read_regular(files.certificate))
    except ValueError:
        remedy = f"remove it and {files.key.name}, or put a good pair in their place"
        raise CommandError(f"{files.certificate}: this is not a certificate: {remedy}") from None


def _correct_name(settings: Settings, files: StateFiles, now: datetime) -> None:
    """Sign a new certificate if authd's own certificate has other names."""
    certificate = certificate_of(files)
    if not files.authority_key.exists() or not name_problem(certificate, settings.hostname):
        return
    if not issuer_problem(certificate, x509.load_pem_x509_certificate(read_regular(files.authority))):
        files.issue_leaf(files.read_authority(), settings.own_names, now)


def _content(path: Path) -> bytes:
    return read_regular(path) if path.exists() else b""
