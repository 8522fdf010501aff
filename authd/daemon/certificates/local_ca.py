"""The local CA of the state directory. authd renews the leaves that it has signed."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from twisted.logger import Logger

from authd.state.atomic_file import read_regular
from authd.state.certificate_checks import Validity, issuer_problem, validity_of
from authd.state.certificate_store import StateFiles

_log = Logger(namespace="authd.certificates")


class LocalCA:
    """Caches the CA certificate, so that leaves it signed are still recognised after ca.pem disappears."""

    def __init__(self, files: StateFiles) -> None:
        self._files = files
        self._certificates: list[x509.Certificate] = []
        self.pem = b""

    def refresh(self) -> str:
        """Read the file again. Returns its problem, or an empty text."""
        try:
            pem = read_regular(self._files.authority)
            if not pem or pem != self.pem:
                self._certificates = x509.load_pem_x509_certificates(pem)
                self.pem = pem
        except FileNotFoundError:
            return ""  # optional: an external pair has no CA here
        except OSError as error:
            return f"{self._files.folder}: the CA ca.pem can't be read: {error.strerror}"
        except ValueError:
            return f"{self._files.folder}: the CA ca.pem is broken: no certificate can be renewed"
        return ""

    def validity_over(self, leaf: x509.Certificate) -> Validity | None:
        """Return the CA's validity, None if it did not sign the leaf.

        During a rotation ca.pem holds two CAs, and the second may already have signed.
        """
        signers = (each for each in self._certificates if not issuer_problem(leaf, each))
        return next(map(validity_of, signers), None)

    def extend(self, now: datetime) -> None:
        """Sign the CA certificate again if it isn't valid now. Errors are logged, and readiness reports them."""
        try:
            problem = self._files.repair_ca(now)
        except (OSError, ValueError) as error:
            words = error.strerror if isinstance(error, OSError) else "broken"
            _log.error("{file} can't be signed again: {words}", file=str(self._files.authority), words=words)
            return
        if problem:
            _log.warn(
                "the CA {file} was {problem}: its own key has signed it again; restart kube-apiserver",
                file=str(self._files.authority),
                problem=problem,
            )
