"""`authd init --ca DIR`: one CA for the webhooks of all control-plane nodes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from authd.cli.shared.errors import CommandError
from authd.state.certificate_store import StateFiles
from authd.state.x509 import CertifiedKey, new_ca

_PRIVATE_FOLDER = 0o700


def adopt(folder: Path, files: StateFiles, now: datetime) -> None:
    """Copy the CA in `folder` to the state directory. Creates it first if `folder` has none.

    Raises `CommandError` if the state directory has another CA, because kube-apiserver may trust that one.
    """
    authority = ensure_shared(folder, now)
    try:
        # A key without certificates is left by a run that was interrupted between its two writes.
        if files.authority.exists() or (files.authority_key.exists() and files.certificate.exists()):
            if files.read_authority().key_pem != authority.key_pem:
                raise CommandError(
                    f"{files.folder} has another CA than {folder}: run `authd rotate-ca --ca {folder}` to change it "
                    "without a refused login"
                )
            return
        files.folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        files.put_authority(authority)
    except OSError as error:
        raise CommandError(f"{error.filename or files.folder}: the CA can't be copied: {error.strerror}") from None


def ensure_shared(folder: Path, now: datetime) -> CertifiedKey:
    """Return the CA in `folder`, created if there is none. Raises `CommandError` and `ConfigError`."""
    shared = StateFiles(folder=folder)
    try:
        if shared.authority_key.exists() and not shared.authority.exists():
            raise CommandError(
                f"{folder} has {shared.authority_key.name}, but not {shared.authority.name}: copy that too, or remove "
                "the key to make a new CA"
            )
        if not shared.authority.exists():
            folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
            shared.put_authority(new_ca("authd", now))
    except OSError as error:
        raise CommandError(f"{error.filename or folder}: the CA can't be made here: {error.strerror}") from None
    return usable_ca(shared, now)


def usable_ca(shared: StateFiles, now: datetime) -> CertifiedKey:
    """Return a CA that can sign, before it gets into another directory. Raises `ConfigError`."""
    shared.client_leaf(now)
    return shared.read_authority()
