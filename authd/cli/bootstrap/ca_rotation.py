"""Changes the webhook's CA in three steps, without a refused login.

kube-apiserver reads the CA from the webhook kubeconfig only at its start. First it has to trust both CAs. Then the
daemon serves a certificate of the new CA. Finally the old CA is removed. ca.pem holds the state: its first certificate
signs, and all its certificates are trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from authd.state.atomic_file import read_regular, write_atomically
from authd.state.certificate_store import StateFiles
from authd.state.x509 import CertifiedKey, new_ca

_PUBLIC = 0o644


class Step(StrEnum):
    """One step of the rotation."""

    TRUST_BOTH = "trust-both"
    SIGN_WITH_NEW = "sign-with-new"
    DROP_OLD = "drop-old"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """The rotation of one state directory's CA."""

    files: StateFiles

    @property
    def next_key(self) -> Path:
        """The private key of the new CA until it signs."""
        return self.files.folder / "next-ca-key.pem"

    def step(self) -> Step:
        """Return the next step. Raises `OSError`, and `ValueError` if ca.pem is broken."""
        if self.next_key.exists():
            return Step.SIGN_WITH_NEW if len(self._certificates()) > 1 else Step.TRUST_BOTH
        return Step.DROP_OLD if len(self._certificates()) > 1 else Step.TRUST_BOTH

    def advance(self, hosts: Sequence[str], now: datetime, new: CertifiedKey | None = None) -> Step:
        """Do the next step and return it. After a crash at any point, the next call repeats the step.

        `new` is the new CA. Without it, one is created. Raises `OSError`, `ValueError` and `ConfigError`.
        """
        step = self.step()
        if step is Step.TRUST_BOTH:
            self._trust_both(new or new_ca("authd", now))
        elif step is Step.SIGN_WITH_NEW:
            self._sign_with_new(hosts, now)
        else:
            self._write(self._certificates()[:1])
        return step

    def _trust_both(self, new: CertifiedKey) -> None:
        """Write the key first. After a crash, the next call replaces a key without a second certificate."""
        write_atomically(self.next_key, new.key_pem)
        self._write([*self._certificates(), x509.load_pem_x509_certificate(new.certificate_pem)])

    def _sign_with_new(self, hosts: Sequence[str], now: datetime) -> None:
        """Write the new pair first. It may be served before ca.pem is reordered, because both CAs are trusted."""
        certificates = self._certificates()
        key = read_regular(self.next_key)
        public = load_pem_private_key(key, password=None).public_key()
        new = next((each for each in certificates if each.public_key() == public), None)
        if new is None:
            raise ValueError(f"{self.next_key.name} does not match its certificates")
        self.files.issue_leaf(CertifiedKey(certificate_pem=new.public_bytes(Encoding.PEM), key_pem=key), hosts, now)
        write_atomically(self.files.authority_key, key)
        self._write([new, *(each for each in certificates if each != new)])
        self.next_key.unlink()

    def _certificates(self) -> list[x509.Certificate]:
        return x509.load_pem_x509_certificates(read_regular(self.files.authority))

    def _write(self, certificates: Sequence[x509.Certificate]) -> None:
        content = b"".join(each.public_bytes(Encoding.PEM) for each in certificates)
        write_atomically(self.files.authority, content, mode=_PUBLIC)
