"""Checks of certificates: names, validity and issuer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from authd.state.certificate_checks import Validity, issuer_problem, name_problem, names_of, validity_of
from authd.state.x509 import extended_ca, new_ca, new_client_leaf, new_leaf

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
AUTHORITY = new_ca("authd", NOW)


def leaf(*hosts: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(new_leaf(AUTHORITY, hosts, NOW).certificate_pem)


@pytest.mark.parametrize(
    ("hosts", "host"),
    [
        (["localhost"], "localhost"),
        (["Node-1.Example"], "node-1.example"),
        (["node-1.example"], "NODE-1.EXAMPLE."),
        (["*.example"], "node-1.example"),
        (["127.0.0.1", "::1"], "127.0.0.1"),
        (["::1"], "0:0:0:0:0:0:0:1"),
    ],
)
def test_a_certificate_is_for_a_host(hosts: list[str], host: str) -> None:
    """Case does not matter, a wildcard is one label, and addresses match in every spelling."""
    assert name_problem(leaf(*hosts), host) == ""


@pytest.mark.parametrize(
    ("hosts", "host"),
    [
        (["localhost"], "127.0.0.1"),
        (["127.0.0.1"], "localhost"),
        (["example"], "node-1.example"),
        (["*.example"], "example"),
        (["*.example"], "a.node-1.example"),
        (["*.0.0.1"], "127.0.0.1"),
    ],
)
def test_a_certificate_is_not_for_a_host(hosts: list[str], host: str) -> None:
    """If the name does not match, the problem lists the certificate's names."""
    assert name_problem(leaf(*hosts), host) == f"not for the name {host}, but for {hosts[0]}"


def test_a_common_name_does_not_count() -> None:
    """A certificate without subject alternative names is valid for no host."""
    certificate = x509.load_pem_x509_certificate(new_client_leaf(AUTHORITY, "localhost", NOW).certificate_pem)
    assert names_of(certificate) == frozenset()
    assert name_problem(certificate, "localhost") == "not for the name localhost, but for none"


def test_the_issuer_is_recognised() -> None:
    """A CA with the same name but another key is not the issuer. One with the same key and another certificate is."""
    certificate = leaf("localhost")
    authorities = (AUTHORITY, extended_ca(AUTHORITY, NOW + 9_000 * DAY), new_ca("authd", NOW))
    problems = [
        issuer_problem(certificate, x509.load_pem_x509_certificate(each.certificate_pem)) for each in authorities
    ]
    assert problems == ["", "", "not signed by the CA ca.pem"]


def test_days_left() -> None:
    """The days left are negative after the end and before the beginning."""
    span = Validity(begins=NOW, ends=NOW + 10 * DAY)
    assert [span.days_left(NOW + days * DAY) for days in (-3, 0, 4, 10, 12)] == [-3, 10, 6, 0, -2]
    assert span.problem(NOW) == span.problem(NOW + 10 * DAY) == ""
    assert span.problem(NOW - DAY).startswith("not valid before 2026-03-01T12:00:00+00:00: the clock is behind")
    assert span.problem(NOW + 11 * DAY) == "expired at 2026-03-11T12:00:00+00:00"
    assert span.within(Validity(begins=NOW + DAY, ends=NOW + 99 * DAY)) == Validity(
        begins=NOW + DAY, ends=NOW + 10 * DAY
    )
    assert validity_of(leaf("localhost")).begins < NOW
