"""Files that are written whole or not at all, and the certificates of the state directory.

The names `cert.pem` and `key.pem` are those that aws-iam-authenticator keeps in its state directory, so that a
pair which a kube-apiserver trusts already goes on serving.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from authd.core.errors import ConfigError, Problem
from authd.daemon.certificates import CertifiedKey, new_authority, new_client_leaf, new_leaf

_PRIVATE = 0o600
_PRIVATE_FOLDER = 0o700


def write_whole(path: Path, content: bytes, mode: int = _PRIVATE) -> None:
    """Replace a file atomically and durably: readers see the old content or the new, also after a crash.

    The file gets the owner of its folder, so that what root prepares the service's own user can read.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if os.geteuid() == 0:
                folder = path.parent.stat()
                os.fchown(file.fileno(), folder.st_uid, folder.st_gid)
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105  # a name, not a Path, came from mkstemp
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFiles:
    """The files of one state directory."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """The server's certificate, PEM."""
        return self.folder / "cert.pem"

    @property
    def key(self) -> Path:
        """The server's private key, PEM."""
        return self.folder / "key.pem"

    @property
    def authority(self) -> Path:
        """The certificate of the authority that signed the server's, where it is our own."""
        return self.folder / "ca.pem"

    @property
    def authority_key(self) -> Path:
        """The authority's private key."""
        return self.folder / "ca-key.pem"

    @property
    def trusted(self) -> Path:
        """What the webhook kubeconfig trusts: the authority, or a certificate that signed itself."""
        return self.authority if self.authority.exists() else self.certificate

    @property
    def last_good(self) -> Path:
        """The settings file as it was when it was last put in force."""
        return self.folder / "last-good.yaml"

    @property
    def forced_reload(self) -> Path:
        """Names, by SHA-256, the settings file's content that is to be put in force whomever it locks out."""
        return self.folder / "force-reload"

    def ensure_pair(self, hosts: tuple[str, ...], now: datetime) -> None:
        """Make the authority and the server's pair where there is none yet.

        Raises `ConfigError` where the directory can't be made or written.
        """
        if self.certificate.exists() and self.key.exists():
            return
        try:
            self.folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
            self.issue_leaf(self._ensure_authority(now), hosts, now)
        except OSError as error:
            raise self._unusable(f"certificates can't be made here: {error.strerror}") from None

    def issue_leaf(self, authority: CertifiedKey, hosts: tuple[str, ...], now: datetime) -> None:
        """Sign a new pair for the server; the key goes first, and a reader that sees half a swap waits."""
        leaf = new_leaf(authority, hosts, now)
        write_whole(self.key, leaf.key_pem)
        write_whole(self.certificate, leaf.certificate_pem, mode=0o644)

    def client_leaf(self, now: datetime) -> CertifiedKey:
        """Sign a client's pair for kube-apiserver, which is kept in the kubeconfig alone."""
        return new_client_leaf(self.read_authority(), "kube-apiserver", now)

    def read_authority(self) -> CertifiedKey:
        """Read the authority with its key; raises `ConfigError` where there is none."""
        try:
            return CertifiedKey(certificate_pem=self.authority.read_bytes(), key_pem=self.authority_key.read_bytes())
        except OSError as error:
            raise self._unusable(f"the authority (ca.pem, ca-key.pem) can't be read: {error.strerror}") from None

    def _ensure_authority(self, now: datetime) -> CertifiedKey:
        if self.authority.exists() and self.authority_key.exists():
            return self.read_authority()
        authority = new_authority("authd", now)
        write_whole(self.authority_key, authority.key_pem)
        write_whole(self.authority, authority.certificate_pem, mode=0o644)
        return authority

    def _unusable(self, message: str) -> ConfigError:
        return ConfigError((Problem(file=str(self.folder), line=0, column=0, message=message),))
