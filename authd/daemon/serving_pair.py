"""The certificate that the webhook serves: made, renewed and swapped without a restart.

The small authority in the state directory is what the webhook kubeconfig trusts; it stays, while the leaf that
it signed is renewed long before it ends. A pair of someone else's making is served as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256

from cryptography import x509
from OpenSSL import SSL
from twisted.logger import Logger

from authd.core.errors import ConfigError, Problem
from authd.daemon.certificates import LEAF_LIFETIME
from authd.daemon.server_tls import SwappableServerTLS, server_context
from authd.daemon.state_files import StateFiles

#: A leaf is renewed when this much of its life is left, and readiness warns when only half of that is.
RENEW_BEFORE = LEAF_LIFETIME / 3


class ServingPair:
    """Holds the TLS context that serves, and what is to be said about its certificate."""

    _log = Logger()

    def __init__(
        self, files: StateFiles, hosts: tuple[str, ...], now: Callable[[], datetime], *, client_certificates: bool
    ) -> None:
        self._files = files
        self._hosts = hosts
        self._now = now
        self._client_certificates = client_certificates
        self._digest = b""
        self._failure = ""
        self.not_before = self.not_after = datetime.fromtimestamp(0, UTC)
        self.tls: SwappableServerTLS

    def load(self) -> None:
        """Make the pair where there is none, load it, and renew it when it is time; raises `ConfigError`."""
        self._files.ensure_pair(self._hosts, self._now())
        try:
            try:
                self._load()
            except (SSL.Error, ValueError):
                if not self._files.authority_key.exists():
                    raise
                # A renewal that was cut off between its two files leaves a key that is not the certificate's.
                self._log.warn("the certificate in {folder} is broken: signing another", folder=str(self._files.folder))
                self._files.issue_leaf(self._files.read_authority(), self._hosts, self._now())
                self._load()
        except (OSError, SSL.Error, ValueError) as error:
            raise ConfigError((self._problem(error),)) from None
        self.check()

    def _load(self) -> None:
        digest = self._read_digest()
        self.tls = SwappableServerTLS(self._context())
        self._digest = digest

    def check(self) -> None:
        """Renew the pair when it is time, and serve what is in the files; keeps what serves where they are broken."""
        try:
            self._renew_when_due()
            digest = self._read_digest()
            if digest != self._digest:
                self.tls.current = self._context()
                self._digest = digest
                self._log.info("serving a new certificate, valid until {until}", until=self.not_after.isoformat())
        except (OSError, SSL.Error, ValueError, ConfigError) as error:
            failure = str(error if isinstance(error, ConfigError) else self._problem(error))
            if failure != self._failure:
                self._log.error("{failure}; the certificate in use goes on serving", failure=failure)
            self._failure = failure
        else:
            self._failure = ""

    @property
    def days_left(self) -> float:
        """How many days the certificate that serves is still valid; negative after its end."""
        return (self.not_after - self._now()).total_seconds() / 86_400

    def problem(self) -> str:
        """Say what is wrong with the certificate, or nothing."""
        if self.days_left <= 0:
            return f"expired at {self.not_after.isoformat()}"
        if self._now() < self.not_before:
            return f"not valid before {self.not_before.isoformat()}: it was made when the clock was wrong"
        if self.days_left < RENEW_BEFORE.days / 2:
            return f"expires in {self.days_left:.1f} days and was not renewed: {self._failure or 'not signed here'}"
        return self._failure

    def _renew_when_due(self) -> None:
        now = self._now()
        made_too_late = now < self.not_before  # by a clock that was ahead
        if not self._files.authority_key.exists() or not (made_too_late or self.not_after - now <= RENEW_BEFORE):
            return
        authority = self._files.read_authority()
        its_end = x509.load_pem_x509_certificate(authority.certificate_pem).not_valid_after_utc
        if made_too_late or its_end > self.not_after:  # a new one could not live any longer than its authority
            self._files.issue_leaf(authority, self._hosts, now)

    def _context(self) -> SSL.Context:
        files = self._files
        client_ca = str(files.authority) if self._client_certificates else None
        context = server_context(str(files.certificate), str(files.key), client_ca)
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        self.not_before, self.not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return context

    def _read_digest(self) -> bytes:
        return sha256(self._files.certificate.read_bytes() + b"\0" + self._files.key.read_bytes()).digest()

    def _problem(self, error: Exception) -> Problem:
        what = error.strerror if isinstance(error, OSError) else "broken, or not each other's"
        message = f"the server's certificate cert.pem and its key key.pem can't be used: {what}"
        return Problem(file=str(self._files.folder), line=0, column=0, message=message)
