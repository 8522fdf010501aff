"""The webhook's serving certificate: created, renewed and swapped without a restart.

The webhook kubeconfig trusts the local CA in the state directory. The CA stays, and its leaf is renewed long before it
expires. A pair that the CA did not sign is served unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from twisted.logger import Logger

from authd.core.errors import ConfigError, Problem
from authd.daemon.certificates.local_ca import LocalCA
from authd.daemon.net.server_tls import SwappableServerTLS, pair_context
from authd.state.atomic_file import read_regular
from authd.state.certificate_checks import Validity, name_problem, validity_of
from authd.state.certificate_store import StateFiles
from authd.state.ownership import access_problem
from authd.state.x509 import LEAF_LIFETIME, CertifiedKey

_log = Logger(namespace="authd.certificates")

#: A leaf is renewed at this time before its expiry. Readiness fails at half of it.
RENEW_BEFORE = LEAF_LIFETIME / 3
#: An external leaf may be valid for a day only. Readiness fails in this last fraction of its lifetime.
_LAST_SHARE = 6
#: Interval of comparing the certificate with the clock, which may jump.
CLOCK_SECONDS = 1.0


class ServingCertificate:
    """Holds the TLS context in force and the state of its certificate.

    `hosts` are the names and addresses for leaves of the local CA. Clients use the first. `span` is the validity of the
    certificate in force.
    """

    def __init__(
        self, files: StateFiles, hosts: Sequence[str], now: Callable[[], datetime], *, client_certificates: bool
    ) -> None:
        self._files = files
        self._hosts = hosts
        self._now = now
        self._client_certificates = client_certificates
        self._digest = b""
        self._exposed = ""
        self._failure = ""
        self._unfinished: CertifiedKey | None = None
        self._unsaved: CertifiedKey | None = None
        self._signer: Validity | None = None
        self._starting = False
        self._ca = LocalCA(files)
        self._leaf: x509.Certificate
        self._certificate_pem = b""
        self.span: Validity
        self.tls: SwappableServerTLS

    def repair_ca(self) -> None:
        """Sign the CA certificate again if it isn't valid now. Never raises."""
        self._ca.extend(self._now())

    def load(self) -> None:
        """Load the pair. Creates it if it is missing, and renews it if that is due.

        If the pair is unusable, the last good one is served. Raises `ConfigError` if that is unusable too.
        """
        self._starting = True
        self._files.sweep()
        try:
            self._files.ensure_pair(self._hosts, self._now())
            self._load_pair(self._files.read_pair())
        except (OSError, ValueError, ConfigError) as error:
            self._load_last_good(error)
        self.check()
        self._starting = False
        if problem := self.problem():
            _log.warn("the server's certificate: {problem}", problem=problem)

    def check(self) -> None:
        """Serve the files' pair, and renew it if that is due. If the files are broken, the current pair stays."""
        failure = self._ca.refresh()
        self._signer = self._ca.validity_over(self._leaf)
        try:
            self._load_changed()
        except (OSError, ValueError, ConfigError) as error:
            failure = self._finish_renewal(error)
        if self._due():
            failure = self._renew()
        if self._unsaved is not None:
            self._save(self._unsaved)
        self._warn_of_modes()
        if failure and failure != self._failure:
            _log.error("{failure}; the current certificate stays in use", failure=failure)
        self._failure = failure

    def _warn_of_modes(self) -> None:
        exposed = self._files.exposed_keys()
        if exposed and exposed != self._exposed:
            _log.warn("{exposed}", exposed=exposed)
        self._exposed = exposed

    def _renew(self) -> str:
        """Sign another leaf and serve it. Returns the problem, or an empty text."""
        try:
            self._files.issue_leaf(self._files.read_authority(), self._hosts, self._now())
            self._load_changed()
        except (OSError, ValueError, ConfigError) as error:
            return f"{self._files.folder}: the server's certificate can't be renewed: {_reason_text(error)}"
        return ""

    def check_clock(self) -> None:
        """Renew the pair if that is due, without reading the files. After a failure, the next `check` retries."""
        if not self._failure and self._due():
            self.check()

    @property
    def days_left(self) -> float:
        """The number of days until the certificate in force or its CA expires.

        If one of them isn't valid, the negated number of days since its end or until its begin.
        """
        return self._chain_validity().days_left(self._now())

    @property
    def trusted_pem(self) -> bytes:
        """The CA for clients to trust, PEM: the local CA, or the certificate in force if that CA did not sign it."""
        return self._ca.pem if self._signer else self._certificate_pem

    @property
    def certificate_pem(self) -> bytes:
        """The certificate in force with its chain, PEM."""
        return self._certificate_pem

    def detail(self) -> str:
        """Return the number of days left, as text for readiness."""
        return f"{self.days_left:.1f} days left"

    def problem(self) -> str:
        """Return the certificate's problem, or an empty text."""
        now, why = self._now(), f": {self._failure}" if self._failure else ""
        if problem := self.span.problem(now):
            return problem + why
        if self._signer and (problem := self._signer.problem(now)):
            return f"its CA ca.pem is {problem}; run `authd init` and restart kube-apiserver"
        if self._signer and self._signer.ends - now < self._warn_before():
            return f"its CA ca.pem expires in {self._signer.days_left(now):.1f} days: run `authd rotate-ca`"
        if self._chain_validity().ends - now < self._warn_before():
            return f"expires in {self.days_left:.1f} days and was not renewed{why or ': not signed here'}"
        return self._failure

    def _load_changed(self) -> None:
        """Serve the files' pair if it differs from the pair in force."""
        pair = self._files.read_pair()
        if self._context_digest(pair) != self._digest:
            self._load_pair(pair)
            self._unfinished = None
            _log.info("serving a new certificate, valid until {until}", until=self.span.ends.isoformat())

    def _load_pair(self, pair: CertifiedKey) -> None:
        self._ca.refresh()
        digest = self._context_digest(pair)
        context = pair_context(pair, read_regular(self._files.authority) if self._client_certificates else None)
        leaf = x509.load_pem_x509_certificate(pair.certificate_pem)
        signer, now = self._ca.validity_over(leaf), self._now()
        problem = validity_of(leaf).problem(now)
        if problem and not signer and self._digest and not self.span.problem(now):
            raise ValueError(f"the new one is {problem}")
        self._leaf, self._signer, self.span = leaf, signer, validity_of(leaf)
        self._certificate_pem = pair.certificate_pem
        self._digest = digest
        if hasattr(self, "tls"):
            self.tls.current = context
        else:
            self.tls = SwappableServerTLS(context)
        self._warn_of_name()
        if not problem:
            self._save(pair)

    def _load_last_good(self, error: Exception) -> None:
        """Start with the last good pair. It also repairs files after an interrupted renewal."""
        try:
            pair = self._files.read_last_pair()
            self._load_pair(pair)
        except (OSError, ValueError):
            self._load_replacement(error)
            return
        self._unfinished = pair if self._signer else None
        failure = self._finish_renewal(error)
        if failure:
            _log.error("{failure}; the last good certificate is in use", failure=failure)

    def _finish_renewal(self, error: Exception) -> str:
        """Finish an interrupted renewal. Returns the files' problem if there is none."""
        if self._unfinished is not None:
            with suppress(OSError):
                self._files.put_pair(self._unfinished)
                self._unfinished = None
                _log.warn("{failure}: the last good certificate was restored", failure=self._unusable(error))
                return ""
        return self._unusable(error)

    def _load_replacement(self, error: Exception) -> None:
        """Start with a new pair instead of a broken one, if the CA can sign it."""
        broken = error if isinstance(error, ConfigError) else ConfigError((self._problem(error),))
        if isinstance(error, ConfigError) or not self._files.can_sign:
            raise broken from None
        try:
            self._files.issue_leaf(self._files.read_authority(), self._hosts, self._now())
            self._load_pair(self._files.read_pair())
        except (OSError, ValueError):
            raise broken from None
        _log.warn("the certificate in {folder} was broken: signed another", folder=str(self._files.folder))

    def _context_digest(self, pair: CertifiedKey) -> bytes:
        """Return a digest of a context's inputs: the pair, and the CA if clients must have certificates."""
        authority = read_regular(self._files.authority) if self._client_certificates else b""
        return sha256(b"\0".join((pair.certificate_pem, pair.key_pem, authority))).digest()

    def _save(self, pair: CertifiedKey) -> None:
        """Write a good pair to the last-good file. If the disk is full, each check tries again."""
        try:
            self._files.keep_pair(pair)
            self._unsaved = None
        except OSError as error:
            if self._unsaved is None:
                _log.warn(
                    "the last good certificate can't be kept in {path}: {error}",
                    path=str(self._files.last_pair),
                    error=str(error.strerror),
                )
            self._unsaved = pair

    def _due(self) -> bool:
        now, signer = self._now(), self._signer
        if not signer or not self._files.can_sign:
            return False
        if signer.problem(now):
            return False  # a new leaf would be no more valid than its CA
        # The name is checked only at start. Otherwise two daemons with one directory and two names would replace each
        # other's leaf forever.
        if self.span.problem(now) or (self._starting and name_problem(self._leaf, self._hosts[0])):
            return True
        return self.span.ends - now <= RENEW_BEFORE and signer.ends > self.span.ends

    def _chain_validity(self) -> Validity:
        return self.span.within(self._signer) if self._signer else self.span

    def _warn_before(self) -> timedelta:
        if self._signer:
            return RENEW_BEFORE / 2
        return min(RENEW_BEFORE / 2, (self.span.ends - self.span.begins) / _LAST_SHARE)

    def _warn_of_name(self) -> None:
        problem = name_problem(self._leaf, self._hosts[0])
        if problem and not (self._starting and self._signer and self._files.can_sign):  # otherwise renewed at once
            _log.warn(
                "the certificate is {problem}: kube-apiserver refuses it if it calls the daemon by that name; "
                "replace cert.pem and key.pem, or set server.hostname",
                problem=problem,
            )

    def _unusable(self, error: Exception) -> str:
        return str(error if isinstance(error, ConfigError) else self._problem(error))

    def _problem(self, error: Exception) -> Problem:
        message = f"the server's certificate cert.pem and its key key.pem can't be used: {_reason_text(error)}"
        return Problem(file=str(self._files.folder), line=0, column=0, message=message)


def _reason_text(error: Exception) -> str:
    if isinstance(error, ConfigError):
        return "; ".join(problem.message for problem in error.problems)
    if isinstance(error, PermissionError):
        return access_problem(error)
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"{Path(error.filename).name}: {error.strerror}"
    return str(error.strerror) if isinstance(error, OSError) else str(error)
