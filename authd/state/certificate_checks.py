"""Checks of certificates: names, validity and issuer. Each returns its problem as text, empty if there is none."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """The period in which a certificate is valid. Both times are timezone-aware."""

    begins: datetime
    ends: datetime

    def within(self, other: Validity) -> Validity:
        """Return the period in which both are valid."""
        return Validity(begins=max(self.begins, other.begins), ends=min(self.ends, other.ends))

    def problem(self, now: datetime) -> str:
        """Return why it isn't valid now, and since or until when."""
        if now > self.ends:
            return f"expired at {self.ends.isoformat()}"
        if now < self.begins:
            return f"not valid before {self.begins.isoformat()}: the clock is behind, or was ahead when it was made"
        return ""

    def days_left(self, now: datetime) -> float:
        """Return the days left, negative after the end. Before the beginning, the negative number of days until it."""
        until = now - self.begins if now < self.begins else self.ends - now
        return until.total_seconds() / 86_400


def validity_of(certificate: x509.Certificate) -> Validity:
    """Return the validity of a certificate."""
    return Validity(begins=certificate.not_valid_before_utc, ends=certificate.not_valid_after_utc)


def names_of(certificate: x509.Certificate) -> frozenset[str]:
    """Return the DNS names and IP addresses of a server certificate's subjectAltName."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return frozenset([*(name.lower() for name in names.get_values_for_type(x509.DNSName)), *addresses])


def name_problem(certificate: x509.Certificate, host: str) -> str:
    """Return a problem if a certificate is not valid for a host by the rules of RFC 6125.

    The common name does not count: Go's clients, such as kube-apiserver, ignore it.
    """
    names = names_of(certificate)
    try:
        wanted = {str(ip_address(host))}
    except ValueError:
        host = host.lower().rstrip(".")
        wanted = {host, f"*.{host.partition('.')[2]}"}
    if wanted & names:
        return ""
    return f"not for the name {host}, but for {', '.join(sorted(names)) or 'none'}"


def issuer_problem(certificate: x509.Certificate, *authorities: x509.Certificate) -> str:
    """Return a problem if none of the CAs has signed a certificate."""
    for authority in authorities:
        with suppress(ValueError, TypeError, InvalidSignature):
            certificate.verify_directly_issued_by(authority)
            return ""
    return "not signed by the CA ca.pem"
