"""The certificates of the state directory: created, renewed and read."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from authd.core.errors import ConfigError, Problem
from authd.state.atomic_file import read_regular, write_atomically, write_if_changed
from authd.state.certificate_checks import issuer_problem, validity_of
from authd.state.ownership import access_problem
from authd.state.state_dir import StateDir
from authd.state.x509 import CertifiedKey, extended_ca, new_ca, new_client_leaf, new_leaf

_PUBLIC = 0o644
_PRIVATE_FOLDER = 0o700
#: Any permission for the group or for everybody.
_OTHERS = 0o077

#: Separates certificate and key in `last_pair`. PEM parsers ignore text between blocks (RFC 7468, section 2).
_KEY_FOLLOWS = b"\nIts private key:\n"

#: Names of `write_atomically`'s temporary files, and the age in seconds from which one was left by a killed process.
_TEMPORARY = re.compile(r"\.[a-z-]+\.(?:pem|yaml|json)\.\w{8}")
_ABANDONED_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFiles(StateDir):
    """The certificates of one state directory: made, read and replaced."""

    @property
    def can_sign(self) -> bool:
        """Whether the local CA's key exists."""
        return os.path.exists(self.authority_key)  # `Path.exists` raises if the folder can't be read

    def trusted_pem(self) -> bytes:
        """Return the CAs for the webhook kubeconfig, or the server's certificate if none of them signed that."""
        if not self.authority.exists():
            return self._certificate_pem()
        authority = read_regular(self.authority)
        try:
            trusted = x509.load_pem_x509_certificates(authority)
        except ValueError:
            return self._certificate_pem()  # kube-apiserver would not start with a broken CA
        with suppress(OSError, ValueError):
            # During a rotation, the second CA may already have signed.
            if issuer_problem(x509.load_pem_x509_certificate(self._certificate_pem()), *trusted):
                return self._certificate_pem()
        return authority

    def exposed_keys(self) -> str:
        """Return a sentence about private keys that other users can read, or an empty string."""
        exposed = {}
        for path in (self.key, self.authority_key, self.last_pair):
            with suppress(OSError):
                mode = stat.S_IMODE(path.stat().st_mode)
                if mode & _OTHERS:
                    exposed[path.name] = mode
        if not exposed:
            return ""
        files = ", ".join(f"{name} (mode {mode:04o})" for name, mode in exposed.items())
        return (
            f"users other than the owner can read {files}, a private key of the webhook: "
            f"run `cd {self.folder} && chmod 600 {' '.join(exposed)}`"
        )

    def ensure_pair(self, hosts: Sequence[str], now: datetime) -> None:
        """Create the local CA, and the server's certificate and key, if there is no such pair yet.

        Raises `ConfigError` if the directory can't be created or written, or if half of an existing pair is missing.
        """
        if self.certificate.exists() and self.key.exists():
            return
        try:
            self.folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
            self.issue_leaf(self._ensure_authority(now), hosts, now)
        except OSError as error:
            reason = access_problem(error) if isinstance(error, PermissionError) else error.strerror
            raise self._unusable(f"certificates can't be made here: {reason}") from None

    def issue_leaf(self, authority: CertifiedKey, hosts: Sequence[str], now: datetime) -> None:
        """Sign a new pair for the server. A crash at any point leaves a complete pair for the next start.

        Raises `OSError`, and `ValueError` if the CA is broken or has expired.
        """
        leaf = new_leaf(authority, hosts, now)
        self.keep_pair(leaf)
        self.put_pair(leaf)

    def keep_pair(self, pair: CertifiedKey) -> None:
        """Write a good pair to `last_pair`."""
        write_if_changed(self.last_pair, pair.certificate_pem + _KEY_FOLLOWS + pair.key_pem)

    def put_authority(self, authority: CertifiedKey) -> None:
        """Write a CA's key and certificate. Raises `OSError`."""
        write_atomically(self.authority_key, authority.key_pem)
        write_atomically(self.authority, authority.certificate_pem, mode=_PUBLIC)

    def put_pair(self, pair: CertifiedKey) -> None:
        """Write both files of a pair. A reader that finds only one of them new keeps its old pair."""
        write_atomically(self.key, pair.key_pem)
        write_atomically(self.certificate, pair.certificate_pem, mode=_PUBLIC)

    def read_pair(self) -> CertifiedKey:
        """Read the server's certificate and key, without a check that they match. Raises `OSError`."""
        return CertifiedKey(certificate_pem=read_regular(self.certificate), key_pem=read_regular(self.key))

    def read_last_pair(self) -> CertifiedKey:
        """Read the last good pair. Raises `OSError` and `ValueError`."""
        certificate, marker, key = read_regular(self.last_pair).partition(_KEY_FOLLOWS)
        if not marker:
            raise ValueError("last-good.pem is broken")
        return CertifiedKey(certificate_pem=certificate, key_pem=key)

    def client_leaf(self, now: datetime) -> CertifiedKey:
        """Sign a client certificate for kube-apiserver, stored only in the kubeconfig. Raises `ConfigError`."""
        try:
            return new_client_leaf(self.read_authority(), "kube-apiserver", now)
        except ValueError as error:
            raise self._unusable(f"the CA (ca.pem, ca-key.pem) can't sign: {error}") from None

    def read_authority(self) -> CertifiedKey:
        """Read the local CA and its key. Raises `ConfigError` if there is none."""
        try:
            return CertifiedKey(certificate_pem=read_regular(self.authority), key_pem=read_regular(self.authority_key))
        except OSError as error:
            raise self._unusable(f"the CA (ca.pem, ca-key.pem) can't be read: {error.strerror}") from None

    def repair_ca(self, now: datetime) -> str:
        """Sign the CA certificate again if it isn't valid now. Returns its problem, or an empty string.

        The new one has the same key and name: clients that trust the old certificate also trust leaves of the new one,
        as long as the old one is valid by their clocks. Raises `OSError`, and `ValueError` if the CA is broken.
        """
        if not self.authority.exists() or not self.authority_key.exists():
            return ""
        certificate = x509.load_pem_x509_certificate(read_regular(self.authority))
        problem = validity_of(certificate).problem(now)
        if not problem or certificate.issuer != certificate.subject:
            return ""
        extended = extended_ca(self.read_authority(), now)
        write_atomically(self.authority, extended.certificate_pem, mode=_PUBLIC)
        return problem

    def sweep(self) -> None:
        """Remove temporary files of killed processes, which may contain keys. Never fails."""
        with suppress(OSError):
            for path in self.folder.iterdir():
                if _TEMPORARY.fullmatch(path.name) and abs(time.time() - path.stat().st_mtime) > _ABANDONED_SECONDS:
                    path.unlink()

    def _certificate_pem(self) -> bytes:
        """Return the certificate that a starting daemon would serve."""
        with suppress(OSError, ValueError):
            content = read_regular(self.certificate)
            x509.load_pem_x509_certificates(content)
            return content
        with suppress(OSError, ValueError):
            return self.read_last_pair().certificate_pem
        return read_regular(self.certificate)

    def _ensure_authority(self, now: datetime) -> CertifiedKey:
        if self.authority.exists() and self.authority_key.exists():
            return self.read_authority()
        there = [path.name for path in (self.authority, self.certificate, self.key) if path.exists()]
        if there:
            # A new CA would invalidate the kubeconfig that kube-apiserver has read.
            raise self._unusable(
                f"there is {', '.join(there)}, but not its counterpart (cert.pem needs key.pem, ca.pem needs "
                "ca-key.pem): restore it, or remove these, run `authd init` and restart kube-apiserver"
            )
        authority = new_ca("authd", now)
        self.put_authority(authority)
        return authority

    def _unusable(self, message: str) -> ConfigError:
        return ConfigError((Problem(file=str(self.folder), line=0, column=0, message=message),))
