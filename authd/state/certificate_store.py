"""The certificates and other files of the state directory.

The names `cert.pem` and `key.pem` are those that aws-iam-authenticator keeps in its state directory, so that a
pair which a kube-apiserver trusts already goes on serving.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from authd.core.errors import ConfigError, Problem
from authd.state.atomic_file import read_regular, write_atomically, write_if_changed
from authd.state.certificate_checks import issuer_problem, validity_of
from authd.state.x509 import CertifiedKey, extended_ca, new_ca, new_client_leaf, new_leaf

_PUBLIC = 0o644
_PRIVATE_FOLDER = 0o700
#: Any permission for the group or for everybody.
_OTHERS = 0o077

#: Parts the two in their common file; text between blocks is no part of a PEM file's meaning.
_KEY_FOLLOWS = b"\nIts private key:\n"

#: Names as `write_atomically` makes them, and how old one of them is, in seconds, if its writer was killed.
_TEMPORARY = re.compile(r"\.[a-z-]+\.(?:pem|yaml)\.\w{8}")
_ABANDONED_SECONDS = 60.0


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
    def last_pair(self) -> Path:
        """The server's certificate and key in one file: the last ones that were good together.

        What stands in two files can't be replaced in one step; this can, and is replaced first.
        """
        return self.folder / "last-good.pem"

    @property
    def last_good(self) -> Path:
        """The settings file as it was when it was last put in force."""
        return self.folder / "last-good.yaml"

    @property
    def forced_reload(self) -> Path:
        """Names, by SHA-256, the settings file's content that is to be put in force whomever it locks out."""
        return self.folder / "force-reload"

    @property
    def can_sign(self) -> bool:
        """Whether the authority's key is there."""
        return os.path.exists(self.authority_key)  # Path's own raises where a folder can't be read

    def trusted_pem(self) -> bytes:
        """Return what the webhook kubeconfig is to trust: the authority, or a certificate that it did not sign."""
        if not self.authority.exists():
            return self._certificate_pem()
        authority = read_regular(self.authority)
        with suppress(OSError, ValueError):
            served = x509.load_pem_x509_certificate(self._certificate_pem())
            if issuer_problem(served, x509.load_pem_x509_certificate(authority)):
                return self._certificate_pem()
        return authority

    def exposed_keys(self) -> str:
        """Return a sentence about private keys that others than their owner can read; nothing if there is none."""
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
            f"others than its owner may use {files}, a private key of the webhook: "
            f"run `cd {self.folder} && chmod 600 {' '.join(exposed)}`"
        )

    def ensure_pair(self, hosts: Sequence[str], now: datetime) -> None:
        """Make the authority and the server's pair where there is none yet.

        Raises `ConfigError` where the directory can't be made or written, or something of somebody else's is missing.
        """
        if self.certificate.exists() and self.key.exists():
            return
        try:
            self.folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
            self.issue_leaf(self._ensure_authority(now), hosts, now)
        except OSError as error:
            raise self._unusable(f"certificates can't be made here: {error.strerror}") from None

    def issue_leaf(self, authority: CertifiedKey, hosts: Sequence[str], now: datetime) -> None:
        """Sign a new pair for the server; whenever this is cut off, one whole pair is there to start with.

        Raises `ValueError` where the authority is broken or has ended, and `OSError`.
        """
        leaf = new_leaf(authority, hosts, now)
        self.keep_pair(leaf)
        self.put_pair(leaf)

    def keep_pair(self, pair: CertifiedKey) -> None:
        """Keep a pair that is good as the last one that was."""
        write_if_changed(self.last_pair, pair.certificate_pem + _KEY_FOLLOWS + pair.key_pem)

    def put_pair(self, pair: CertifiedKey) -> None:
        """Write both files of a pair; who sees half of it waits for the rest."""
        write_atomically(self.key, pair.key_pem)
        write_atomically(self.certificate, pair.certificate_pem, mode=_PUBLIC)

    def read_pair(self) -> CertifiedKey:
        """Read the server's certificate and its key, which need not be each other's; raises `OSError`."""
        return CertifiedKey(certificate_pem=read_regular(self.certificate), key_pem=read_regular(self.key))

    def read_last_pair(self) -> CertifiedKey:
        """Read the last good pair; raises `OSError` and `ValueError`."""
        certificate, marker, key = read_regular(self.last_pair).partition(_KEY_FOLLOWS)
        if not marker:
            raise ValueError("last-good.pem is broken")
        return CertifiedKey(certificate_pem=certificate, key_pem=key)

    def client_leaf(self, now: datetime) -> CertifiedKey:
        """Sign a client's pair for kube-apiserver, which is kept in the kubeconfig alone; raises `ConfigError`."""
        try:
            return new_client_leaf(self.read_authority(), "kube-apiserver", now)
        except ValueError as error:
            raise self._unusable(f"the authority (ca.pem, ca-key.pem) can't sign: {error}") from None

    def read_authority(self) -> CertifiedKey:
        """Read the authority with its key; raises `ConfigError` where there is none."""
        try:
            return CertifiedKey(certificate_pem=read_regular(self.authority), key_pem=read_regular(self.authority_key))
        except OSError as error:
            raise self._unusable(f"the authority (ca.pem, ca-key.pem) can't be read: {error.strerror}") from None

    def mend_authority(self, now: datetime) -> str:
        """Sign the authority's certificate anew where it isn't valid now; returns what was wrong, or nothing.

        It keeps its key and its name: whoever trusts the old certificate trusts whatever the new one signs, as far
        as a clock lets the old one be valid. Raises `OSError`, and `ValueError` where it is broken.
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
        """Remove what killed writers have left, which may hold keys; never fails."""
        with suppress(OSError):
            for path in self.folder.iterdir():
                if _TEMPORARY.fullmatch(path.name) and abs(time.time() - path.stat().st_mtime) > _ABANDONED_SECONDS:
                    path.unlink()

    def _certificate_pem(self) -> bytes:
        """Return the certificate that a start would serve."""
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
            # To make an authority now would make the kubeconfig that a kube-apiserver has read worthless.
            raise self._unusable(
                f"there is {', '.join(there)}, but not what belongs to it (cert.pem goes with key.pem, ca.pem with "
                "ca-key.pem): bring it back, or remove these, run `authd init` and restart kube-apiserver"
            )
        authority = new_ca("authd", now)
        write_atomically(self.authority_key, authority.key_pem)
        write_atomically(self.authority, authority.certificate_pem, mode=_PUBLIC)
        return authority

    def _unusable(self, message: str) -> ConfigError:
        return ConfigError((Problem(file=str(self.folder), line=0, column=0, message=message),))
