"""TLS to STS: the handshake fails unless the certificate proves the host's name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL

from authd.daemon.net import client_tls
from authd.daemon.net.client_tls import VerifiedHost, trust_context
from tests.daemon.tls import Pair, handshake, issue

HOST = "sts.us-east-1.amazonaws.com"
DNS = x509.DNSName


@pytest.fixture(scope="module")
def authority() -> Pair:
    return issue(None, None, common_name="authority")


@pytest.fixture(scope="module")
def context(authority: Pair, tmp_path_factory: pytest.TempPathFactory) -> SSL.Context:
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    file.write_bytes(authority.pem)
    return trust_context(str(file))


def connect(context: SSL.Context, pair: Pair, host: str = HOST, server: SSL.Context | None = None) -> SSL.Connection:
    """Do a handshake with a server that has this certificate, and return the server's side."""
    client = VerifiedHost(host, context).connection()
    served = SSL.Connection(server or pair.server_context())
    handshake(client, served)
    return served


@pytest.mark.parametrize(
    "names",
    [[DNS(HOST)], [DNS("*.us-east-1.amazonaws.com")], [DNS("other.example"), DNS(HOST)], [DNS(HOST.upper())]],
    ids=["exact", "wildcard", "among others", "capitals"],
)
def test_a_certificate_for_the_host_is_accepted(
    context: SSL.Context, authority: Pair, names: list[x509.GeneralName]
) -> None:
    """A certificate of the trusted CA for the host's name is accepted, and SNI carries the name."""
    served = connect(context, issue(authority, names))
    assert served.get_servername() == HOST.encode()


REFUSED: dict[str, Callable[[Pair], Pair]] = {
    "no SAN": lambda ca: issue(ca, None, common_name=HOST),
    "an empty SAN": lambda ca: issue(ca, [], common_name=HOST),
    "only an e-mail SAN": lambda ca: issue(ca, [x509.RFC822Name(f"root@{HOST}")], common_name=HOST),
    "only a URI SAN": lambda ca: issue(ca, [x509.UniformResourceIdentifier(f"https://{HOST}/")], common_name=HOST),
    "an IP for a DNS name": lambda ca: issue(ca, [x509.IPAddress(ip_address("127.0.0.1"))], common_name=HOST),
    "another host's name": lambda ca: issue(ca, [DNS("sts.us-west-2.amazonaws.com")]),
    "the name as a part": lambda ca: issue(ca, [DNS(f"{HOST}.evil.example"), DNS(f"x{HOST}"), DNS("amazonaws.com")]),
    "two wildcards": lambda ca: issue(ca, [DNS("*.*.amazonaws.com")]),
    "a wildcard in the middle": lambda ca: issue(ca, [DNS("sts.*.amazonaws.com")]),
    "a part of a label as wildcard": lambda ca: issue(ca, [DNS("s*.us-east-1.amazonaws.com")]),
    "a wildcard over two labels": lambda ca: issue(ca, [DNS("*.amazonaws.com")]),
    "a wildcard alone": lambda ca: issue(ca, [DNS("*")]),
    "a wildcard for a top level": lambda ca: issue(ca, [DNS("*.com")]),
    "a malformed wildcard before the name": lambda ca: issue(ca, [DNS("*.*.amazonaws.com"), DNS("**")]),
    "a name with a NUL": lambda ca: issue(ca, [DNS(f"{HOST}\0.evil.example")]),
    "a trailing dot": lambda ca: issue(ca, [DNS(f"{HOST}..")]),
    "expired": lambda ca: issue(ca, [DNS(HOST)], ends=timedelta(minutes=-1)),
    "not yet valid": lambda ca: issue(ca, [DNS(HOST)], begins=timedelta(hours=1)),
    "a client's certificate": lambda ca: issue(ca, [DNS(HOST)], usage=ExtendedKeyUsageOID.CLIENT_AUTH),
    "another authority": lambda _: issue(issue(None, None, common_name="stranger"), [DNS(HOST)]),
    "another authority of the same name": lambda _: issue(issue(None, None, common_name="authority"), [DNS(HOST)]),
    "signed by itself": lambda _: issue(None, [DNS(HOST)], common_name=HOST),
    "signed by a leaf": lambda ca: issue(issue(ca, [DNS(HOST)]), [DNS(HOST)]),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_certificates_fail_the_handshake(context: SSL.Context, authority: Pair, kind: str) -> None:
    """A certificate without the host's name or without a trusted chain fails the handshake."""
    with pytest.raises(SSL.Error):
        connect(context, REFUSED[kind](authority))


@pytest.mark.parametrize("address", ["127.0.0.1", "fd00::1"])
def test_addresses(context: SSL.Context, authority: Pair, address: str) -> None:
    """If the host is an IP address, the certificate must contain that address, not a name that looks like it."""
    served = connect(context, issue(authority, [x509.IPAddress(ip_address(address))]), address)
    assert served.get_servername() is None
    for names in [x509.IPAddress(ip_address("127.0.0.2"))], [DNS(HOST)], [DNS("127.0.0.1")], None:
        with pytest.raises(SSL.Error):
            connect(context, issue(authority, names, common_name=address), address)


def test_an_exception_in_the_check_fails_the_handshake(
    context: SSL.Context, authority: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any exception in the verification of a certificate fails the handshake."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    pair = issue(authority, [DNS(HOST)])
    connect(context, pair)
    monkeypatch.setattr(client_tls, "extract_patterns", broken)
    with pytest.raises(SSL.Error):
        connect(context, pair)


def test_hosts_share_only_the_context(context: SSL.Context, authority: Pair) -> None:
    """Connections of one context each verify their own host name."""
    one, two = issue(authority, [DNS("sts.one.example")]), issue(authority, [DNS("sts.two.example")])
    for _ in range(2):
        connect(context, one, "sts.one.example")
        connect(context, two, "sts.two.example")
        with pytest.raises(SSL.Error):
            connect(context, two, "sts.one.example")


def test_old_tls_is_refused(context: SSL.Context, authority: Pair) -> None:
    """TLS 1.1, and TLS 1.2 without forward secrecy or authenticated encryption, are refused."""
    pair = issue(authority, [DNS(HOST)])
    for version, ciphers in ((SSL.TLS1_1_VERSION, b"ALL"), (SSL.TLS1_2_VERSION, b"ECDHE-ECDSA-AES128-SHA256")):
        server = pair.server_context()
        server.set_min_proto_version(version)
        server.set_max_proto_version(version)
        server.set_cipher_list(ciphers + b":@SECLEVEL=0")
        with pytest.raises(SSL.Error):
            connect(context, pair, server=server)
    modern = pair.server_context()
    modern.set_max_proto_version(SSL.TLS1_2_VERSION)
    assert connect(context, pair, server=modern).get_protocol_version_name() == "TLSv1.2"


def test_an_unusable_ca_file_is_an_error(tmp_path: Path) -> None:
    """A missing or empty CA file is an error before the first connection."""
    with pytest.raises(FileNotFoundError):
        trust_context(str(tmp_path / "missing.pem"))
    (tmp_path / "empty.pem").write_text("no certificate here")
    with pytest.raises(SSL.Error):
        trust_context(str(tmp_path / "empty.pem"))


def test_without_a_ca_file_the_systems_cas_are_trusted(authority: Pair) -> None:
    """Without a CA file only the system's CAs are trusted."""
    with pytest.raises(SSL.Error):
        connect(trust_context(None), issue(authority, [DNS(HOST)]))
