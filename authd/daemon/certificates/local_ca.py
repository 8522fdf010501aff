"""The authority of the state directory, whose signature makes a leaf ours to renew; as its file was when last read."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from twisted.logger import Logger

from authd.state.atomic_file import read_regular
from authd.state.certificate_checks import Validity, issuer_problem, validity_of
from authd.state.certificate_store import StateFiles


class LocalCA:
    """Remembers the authority's certificate: one that was broken or removed later has signed what it has signed."""

    _log = Logger(namespace="authd.certificates")

    def __init__(self, files: StateFiles) -> None:
        self._files = files
        self._certificate: x509.Certificate | None = None
        self.pem = b""

    def look(self) -> str:
        """Read the file again; returns what is wrong with it, or nothing."""
        try:
            pem = read_regular(self._files.authority)
            if pem != self.pem:
                self._certificate = x509.load_pem_x509_certificate(pem)
                self.pem = pem
        except FileNotFoundError:
            return ""  # there may be none; where it should be, the server's own files tell
        except OSError as error:
            return f"{self._files.folder}: the authority ca.pem can't be read: {error.strerror}"
        except ValueError:
            return f"{self._files.folder}: the authority ca.pem is broken: no certificate can be renewed"
        return ""

    def validity_over(self, leaf: x509.Certificate) -> Validity | None:
        """Return when the authority is valid, None where it did not sign the leaf."""
        if self._certificate is None or issuer_problem(leaf, self._certificate):
            return None
        return validity_of(self._certificate)

    def mend(self, now: datetime) -> None:
        """Sign its certificate anew where that isn't valid now, and say so; never fails: readiness tells it too."""
        try:
            problem = self._files.mend_authority(now)
        except (OSError, ValueError) as error:
            words = error.strerror if isinstance(error, OSError) else "broken"
            self._log.error("{file} can't be signed anew: {words}", file=str(self._files.authority), words=words)
            return
        if problem:
            self._log.warn(
                "the authority {file} was {problem}: it was signed anew by its own key; restart kube-apiserver",
                file=str(self._files.authority),
                problem=problem,
            )
