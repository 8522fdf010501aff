"""A CA, and TLS of a server and a client that trust it."""

from __future__ import annotations

import pytest
from cryptography import x509

from authd.daemon.net.client_tls import VerifiedHost, trust_context
from authd.daemon.net.server_tls import SwappableServerTLS
from tests.daemon.tls import Pair, issue

HOST = "sts.us-east-1.amazonaws.com"


@pytest.fixture(scope="module")
def authority() -> Pair:
    return issue(None, None, common_name="authority")


@pytest.fixture(scope="module")
def server_tls(authority: Pair) -> SwappableServerTLS:
    return SwappableServerTLS(issue(authority, [x509.DNSName(HOST)]).server_context())


@pytest.fixture(scope="module")
def client_tls(authority: Pair, tmp_path_factory: pytest.TempPathFactory) -> VerifiedHost:
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    file.write_bytes(authority.pem)
    return VerifiedHost(HOST, trust_context(str(file)))
