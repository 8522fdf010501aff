"""The certificate that the webhook serves: made, renewed and swapped without a restart.

The small authority in the state directory is what the webhook kubeconfig trusts; it stays, while the leaf that
it signed is renewed long before it ends. A pair of someone else's making is served as it is.
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
from authd.state.x509 import LEAF_LIFETIME, CertifiedKey

_log = Logger(namespace="authd.certificates")

#: A leaf is renewed when this much of its life is left, and readiness warns when only half of that is.
RENEW_BEFORE = LEAF_LIFETIME / 3
#: Somebody else's may live for a day altogether: readiness warns in this last share of its life.
_LAST_SHARE = 6
#: How often the clock is compared with the certificate: it may jump.
CLOCK_SECONDS = 1.0


class ServingCertificate:
    """Holds the TLS context that serves, and what is to be said about its certificate.

    `hosts` are the names and addresses that a leaf of our own is for; clients call the first. `span` is when the
    certificate that serves is valid.
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
        self._unkept: CertifiedKey | None = None
        self._signer: Validity | None = None
        self._starting = False
        self._authority = LocalCA(files)
        self._leaf: x509.Certificate
        self._served_pem = b""
        self.span: Validity
        self.tls: SwappableServerTLS

    def mend_authority(self) -> None:
        """Sign the authority's certificate anew where it isn't valid now; never fails."""
        self._authority.mend(self._now())

    def load(self) -> None:
        """Make the pair where there is none, load it, and renew it when it is time; raises `ConfigError`.

        Where it can't be used, the last one that could serves instead.
        """
        self._starting = True
        self._files.sweep()
        try:
            self._files.ensure_pair(self._hosts, self._now())
            self._take(self._files.read_pair())
        except (OSError, ValueError, ConfigError) as error:
            self._take_last(error)
        self.check()
        self._starting = False

    def check(self) -> None:
        """Serve what is in the files, and renew it when it is time; keeps what serves where they are broken."""
        failure = self._authority.look()
        self._signer = self._authority.validity_over(self._leaf)
        try:
            self._take_changed()
        except (OSError, ValueError, ConfigError) as error:
            failure = self._put_back(error)
        if self._due():
            failure = self._renew()
        if self._unkept is not None:
            self._keep(self._unkept)
        self._warn_of_modes()
        if failure and failure != self._failure:
            _log.error("{failure}; the certificate in use goes on serving", failure=failure)
        self._failure = failure

    def _warn_of_modes(self) -> None:
        exposed = self._files.exposed_keys()
        if exposed and exposed != self._exposed:
            _log.warn("{exposed}", exposed=exposed)
        self._exposed = exposed

    def _renew(self) -> str:
        """Sign another leaf and serve it; returns what was in the way, or nothing."""
        try:
            self._files.issue_leaf(self._files.read_authority(), self._hosts, self._now())
            self._take_changed()
        except (OSError, ValueError, ConfigError) as error:
            return f"{self._files.folder}: the server's certificate can't be renewed: {_words(error)}"
        return ""

    def check_clock(self) -> None:
        """Renew the pair when it is time, without a look at the files; what failed is for the next whole check."""
        if not self._failure and self._due():
            self.check()

    @property
    def days_left(self) -> float:
        """How many days the certificate that serves, and who signed it, are still valid.

        Negative when they aren't: since the end, or until the beginning.
        """
        return self._chain().days_left(self._now())

    @property
    def trusted_pem(self) -> bytes:
        """What clients are to trust: the authority, or a certificate that serves and isn't signed by it."""
        return self._authority.pem if self._signer else self._served_pem

    def detail(self) -> str:
        """Say how many days are left."""
        return f"{self.days_left:.1f} days left"

    def problem(self) -> str:
        """Say what is wrong with the certificate, or nothing."""
        now, why = self._now(), f": {self._failure}" if self._failure else ""
        if problem := self.span.problem(now):
            return problem + why
        if self._signer and (problem := self._signer.problem(now)):
            return f"its authority ca.pem is {problem}; run `authd init` and restart kube-apiserver"
        if self._chain().ends - now < self._warn_before():
            return f"expires in {self.days_left:.1f} days and was not renewed{why or ': not signed here'}"
        return self._failure

    def _take_changed(self) -> None:
        """Serve the files' pair if it isn't what serves already."""
        pair = self._files.read_pair()
        if self._digest_of(pair) != self._digest:
            self._take(pair)
            self._unfinished = None
            _log.info("serving a new certificate, valid until {until}", until=self.span.ends.isoformat())

    def _take(self, pair: CertifiedKey) -> None:
        self._authority.look()
        digest = self._digest_of(pair)
        context = pair_context(pair, read_regular(self._files.authority) if self._client_certificates else None)
        leaf = x509.load_pem_x509_certificate(pair.certificate_pem)
        signer, now = self._authority.validity_over(leaf), self._now()
        problem = validity_of(leaf).problem(now)
        if problem and not signer and self._digest and not self.span.problem(now):
            raise ValueError(f"the new one is {problem}")
        self._leaf, self._signer, self.span = leaf, signer, validity_of(leaf)
        self._served_pem = pair.certificate_pem
        self._digest = digest
        if hasattr(self, "tls"):
            self.tls.current = context
        else:
            self.tls = SwappableServerTLS(context)
        self._warn_of_name()
        if not problem:
            self._keep(pair)

    def _take_last(self, error: Exception) -> None:
        """Start with the last good pair; files that a renewal left half done, or a crash, are made whole by it."""
        try:
            pair = self._files.read_last_pair()
            self._take(pair)
        except (OSError, ValueError):
            self._take_another(error)
            return
        self._unfinished = pair if self._signer else None
        failure = self._put_back(error)
        if failure:
            _log.error("{failure}; the last good one serves instead", failure=failure)

    def _put_back(self, error: Exception) -> str:
        """Finish what a renewal left half done when it was cut off; returns what is wrong with the files otherwise."""
        if self._unfinished is not None:
            with suppress(OSError):
                self._files.put_pair(self._unfinished)
                self._unfinished = None
                _log.warn("{failure}: the last good one was put back", failure=self._unusable(error))
                return ""
        return self._unusable(error)

    def _take_another(self, error: Exception) -> None:
        """Start with a new pair in the place of a broken one, if there is an authority to sign it."""
        broken = error if isinstance(error, ConfigError) else ConfigError((self._problem(error),))
        if isinstance(error, ConfigError) or not self._files.can_sign:
            raise broken from None
        try:
            self._files.issue_leaf(self._files.read_authority(), self._hosts, self._now())
            self._take(self._files.read_pair())
        except (OSError, ValueError):
            raise broken from None
        _log.warn("the certificate in {folder} was broken: signed another", folder=str(self._files.folder))

    def _digest_of(self, pair: CertifiedKey) -> bytes:
        """Tell apart what a context is made of: the pair, and the authority where that says which clients get in."""
        authority = read_regular(self._files.authority) if self._client_certificates else b""
        return sha256(b"\0".join((pair.certificate_pem, pair.key_pem, authority))).digest()

    def _keep(self, pair: CertifiedKey) -> None:
        """Keep a good pair for a start that finds none; where there is no room, it is tried again at each check."""
        try:
            self._files.keep_pair(pair)
            self._unkept = None
        except OSError as error:
            if self._unkept is None:
                _log.warn(
                    "the last good certificate can't be kept in {path}: {error}",
                    path=str(self._files.last_pair),
                    error=str(error.strerror),
                )
            self._unkept = pair

    def _due(self) -> bool:
        now, signer = self._now(), self._signer
        if not signer or not self._files.can_sign:
            return False
        if signer.problem(now):
            return False  # a new leaf would be no better than its authority
        # Only at the start: two daemons with one directory and two names would go on for ever.
        if self.span.problem(now) or (self._starting and name_problem(self._leaf, self._hosts[0])):
            return True
        return self.span.ends - now <= RENEW_BEFORE and signer.ends > self.span.ends

    def _chain(self) -> Validity:
        return self.span.within(self._signer) if self._signer else self.span

    def _warn_before(self) -> timedelta:
        if self._signer:
            return RENEW_BEFORE / 2
        return min(RENEW_BEFORE / 2, (self.span.ends - self.span.begins) / _LAST_SHARE)

    def _warn_of_name(self) -> None:
        problem = name_problem(self._leaf, self._hosts[0])
        if problem and not (self._starting and self._signer and self._files.can_sign):  # then it is renewed at once
            _log.warn(
                "the certificate is {problem}: kube-apiserver refuses it if it calls the daemon by that name; "
                "replace cert.pem and key.pem, or set server.hostname",
                problem=problem,
            )

    def _unusable(self, error: Exception) -> str:
        return str(error if isinstance(error, ConfigError) else self._problem(error))

    def _problem(self, error: Exception) -> Problem:
        message = f"the server's certificate cert.pem and its key key.pem can't be used: {_words(error)}"
        return Problem(file=str(self._files.folder), line=0, column=0, message=message)


def _words(error: Exception) -> str:
    if isinstance(error, ConfigError):
        return "; ".join(problem.message for problem in error.problems)
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"{Path(error.filename).name}: {error.strerror}"
    return str(error.strerror) if isinstance(error, OSError) else str(error)
