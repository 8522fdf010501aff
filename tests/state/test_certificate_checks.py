"""The facts in certificates."""

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
    """Case does not matter, a wildcard is one label, and addresses have several spellings."""
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
    """Any other name is reported together with the certificate's names."""
    assert name_problem(leaf(*hosts), host) == f"not for the name {host}, but for {hosts[0]}"


def test_a_common_name_is_no_name() -> None:
    """A certificate without subject alternative names has no name."""
    certificate = x509.load_pem_x509_certificate(new_client_leaf(AUTHORITY, "localhost", NOW).certificate_pem)
    assert names_of(certificate) == frozenset()
    assert name_problem(certificate, "localhost") == "not for the name localhost, but for none"


def test_the_issuer_is_recognised() -> None:
    """A CA with the same name and another key has not signed it. The same key with another certificate has."""
    certificate = leaf("localhost")
    authorities = (AUTHORITY, extended_ca(AUTHORITY, NOW + 9_000 * DAY), new_ca("authd", NOW))
    problems = [
        issuer_problem(certificate, x509.load_pem_x509_certificate(each.certificate_pem)) for each in authorities
    ]
    assert problems == ["", "", "not signed by the CA ca.pem"]


def test_a_span_counts_days_on_both_sides() -> None:
    """The days left, negative after the end and before the beginning."""
    span = Validity(begins=NOW, ends=NOW + 10 * DAY)
    assert [span.days_left(NOW + days * DAY) for days in (-3, 0, 4, 10, 12)] == [-3, 10, 6, 0, -2]
    assert span.problem(NOW) == span.problem(NOW + 10 * DAY) == ""
    assert span.problem(NOW - DAY).startswith("not valid before 2026-03-01T12:00:00+00:00: the clock is behind")
    assert span.problem(NOW + 11 * DAY) == "expired at 2026-03-11T12:00:00+00:00"
    assert span.within(Validity(begins=NOW + DAY, ends=NOW + 99 * DAY)) == Validity(
        begins=NOW + DAY, ends=NOW + 10 * DAY
    )
    assert validity_of(leaf("localhost")).begins < NOW
