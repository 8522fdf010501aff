"""The certificate is replaced while the webhook serves, and mutual TLS rejects other clients."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from authd.emulator.directory.sample import ALICE_KEY
from authd.state.certificate_store import StateFiles
from authd.state.kubeconfig import webhook_kubeconfig
from authd.state.x509 import new_ca, new_client_leaf
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.load import Check, Load
from tests.integration.rig.minting import Mint
from tests.integration.rig.polling import wait_until
from tests.integration.rig.webhook_client import Response

HOSTS = ("localhost", "127.0.0.1", "::1")


def _alice_only(_: str) -> Check:
    def check(answer: Response) -> None:
        assert answer.user["username"] == "alice"

    return check


def serial(certificate: Path) -> int:
    return x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number


def test_a_new_certificate_is_served_and_old_connections_stay_open(
    make_daemon: Callable[..., DaemonProcess], mint: Mint
) -> None:
    """Under load, new connections get a replaced certificate, and no review is lost or refused."""
    token = mint.by_signer(ALICE_KEY, expires=600)
    with make_daemon() as daemon, daemon.client() as before:
        files = StateFiles(folder=daemon.state)
        old = before.peer_serial()
        assert old == serial(files.certificate)
        with Load(daemon.client, [token], _alice_only, fresh=True) as load:
            for _ in range(2):
                count = len(daemon.events())
                files.issue_leaf(files.read_authority(), HOSTS, datetime.now(UTC))
                daemon.hang_up()
                daemon.wait_for_message("serving a new certificate", count)
                load.wait_for_responses(10)
        assert before.review(token).user["username"] == "alice"
        assert before.peer_serial() == old
        with daemon.client() as after:
            assert after.review(token).user["username"] == "alice"
            assert after.peer_serial() == serial(files.certificate) != old


def test_a_broken_pair_keeps_the_old_one_and_is_reported(make_daemon: Callable[..., DaemonProcess], mint: Mint) -> None:
    """A key that does not match the certificate changes nothing. Log and readiness report it until it is repaired."""
    with make_daemon() as daemon:
        files = StateFiles(folder=daemon.state)
        old, key = serial(files.certificate), files.key.read_bytes()
        stranger = trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert("localhost")
        files.key.write_bytes(stranger.private_key_pem.bytes())
        daemon.hang_up()
        daemon.wait_for_message("the current certificate stays in use")
        ready = daemon.health("/readyz")
        assert ready.status == 503
        assert b"[-] certificate: " in ready.body
        with daemon.client() as client:
            assert client.review(mint.by_signer(ALICE_KEY)).user["username"] == "alice"
            assert client.peer_serial() == old
        files.key.write_bytes(key)
        daemon.hang_up()
        with daemon.client() as client:
            assert client.review(mint.by_signer(ALICE_KEY)).user["username"] == "alice"
        wait_until(lambda: daemon.health("/readyz").status == 200, "ready again")


def test_a_custom_certificate_is_served_unchanged(make_daemon: Callable[..., DaemonProcess], mint: Mint) -> None:
    """An existing self-signed pair is served, and the kubeconfig trusts its certificate."""
    daemon = make_daemon()
    pair = new_ca("localhost", datetime.now(UTC))  # self-signed
    daemon.state.mkdir()
    (daemon.state / "cert.pem").write_bytes(pair.certificate_pem)
    (daemon.state / "key.pem").write_bytes(pair.key_pem)
    with daemon:
        assert (daemon.state / "cert.pem").read_bytes() == pair.certificate_pem
        assert not (daemon.state / "ca-key.pem").exists()
        with daemon.client() as client:
            assert client.authority.encode() == pair.certificate_pem


@pytest.fixture
def mutual(make_daemon: Callable[..., DaemonProcess]) -> DaemonProcess:
    """Return a daemon that requests client certificates. Each test writes its kubeconfig."""
    return make_daemon(requireClientCertificate=True, kubeconfigPregenerated=True)


def write_kubeconfig(daemon: DaemonProcess, *, own: bool | None) -> None:
    """Write the kubeconfig with a client certificate of the daemon's CA, of another one, or without one."""
    files = StateFiles(folder=daemon.state)
    now = datetime.now(UTC)
    client = None
    if own is not None:
        client = files.client_leaf(now) if own else new_client_leaf(new_ca("x", now), "kube-apiserver", now)
    content = webhook_kubeconfig(
        host="localhost", port=daemon.port, authority_pem=files.authority.read_bytes(), client=client
    )
    daemon.kubeconfig.write_bytes(content)


def test_with_mutual_tls_the_kubeconfigs_certificate_is_accepted(mutual: DaemonProcess, mint: Mint) -> None:
    """A client with the kubeconfig's certificate is served."""
    with mutual:
        write_kubeconfig(mutual, own=True)
        assert mutual.review(mint.by_signer(ALICE_KEY)).user["username"] == "alice"


@pytest.mark.parametrize("own", [None, False], ids=["no certificate", "another authority's certificate"])
def test_with_mutual_tls_other_clients_are_disconnected(mutual: DaemonProcess, mint: Mint, own: bool | None) -> None:
    """A client without a certificate of the daemon's CA gets no response."""
    with mutual:
        write_kubeconfig(mutual, own=own)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            mutual.review(mint.by_signer(ALICE_KEY))
        assert not [event for event in mutual.events() if "decision" in event]
        assert "Traceback" not in mutual.said()


def test_a_server_certificate_is_no_client_certificate(mutual: DaemonProcess, mint: Mint) -> None:
    """The server's certificate is refused as a client certificate, although the CA is the same."""
    with mutual:
        files = StateFiles(folder=mutual.state)
        write_kubeconfig(mutual, own=None)
        with mutual.client() as client:
            client.tls.load_cert_chain(files.certificate, files.key)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                client.review(mint.by_signer(ALICE_KEY))


def test_mutual_tls_continues_after_a_swap(mutual: DaemonProcess, mint: Mint) -> None:
    """After the server's certificate is replaced, clients still need a certificate."""
    with mutual:
        files = StateFiles(folder=mutual.state)
        files.issue_leaf(files.read_authority(), HOSTS, datetime.now(UTC))
        mutual.hang_up()
        mutual.wait_for_message("serving a new certificate")
        write_kubeconfig(mutual, own=None)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            mutual.review(mint.by_signer(ALICE_KEY))
        write_kubeconfig(mutual, own=True)
        assert mutual.review(mint.by_signer(ALICE_KEY)).user["username"] == "alice"


def test_a_foreign_ca_in_the_kubeconfig_is_reported(make_daemon: Callable[..., DaemonProcess], mint: Mint) -> None:
    """A pregenerated kubeconfig with another CA locks everybody out. Readiness, log and metrics report it."""
    daemon = make_daemon(kubeconfigPregenerated=True)
    foreign = new_ca("authd", datetime.now(UTC)).certificate_pem
    daemon.kubeconfig.write_bytes(webhook_kubeconfig(host="localhost", port=1, authority_pem=foreign))
    with daemon:
        daemon.wait_for_message("trusts another CA")
        ready = daemon.health("/readyz")
        assert ready.status == 503
        assert b"[-] kubeconfig: " in ready.body
        content = webhook_kubeconfig(host="localhost", port=daemon.port, authority_pem=foreign)
        daemon.kubeconfig.write_bytes(content)
        with pytest.raises(ssl.SSLError):
            daemon.review(mint.by_signer(ALICE_KEY))
        event = daemon.wait_for_message("the client refused this daemon's certificate")
        assert (event["level"], event["reason"]) == ("warn", "server_certificate_rejected")
        metrics = daemon.health("/metrics").body.decode()
        assert 'authd_failed_handshakes_total{reason="server_certificate_rejected"} 1.0' in metrics
        assert "authd_kubeconfig_problems 1.0" in metrics
        assert "authd_last_review_timestamp_seconds 0.0" in metrics
        write_kubeconfig(daemon, own=None)
        daemon.hang_up()
        wait_until(lambda: daemon.health("/readyz").status == 200, "the daemon to be ready")
        assert daemon.review(mint.by_signer(ALICE_KEY)).user["username"] == "alice"


def test_a_missing_client_certificate_is_logged(mutual: DaemonProcess, mint: Mint) -> None:
    """With mutual TLS, a missing client certificate is logged with the client's address and the next step."""
    with mutual:
        write_kubeconfig(mutual, own=None)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            mutual.review(mint.by_signer(ALICE_KEY))
        event = mutual.wait_for_message("the client has no certificate")
        assert (event["peer"], event["reason"]) == ("127.0.0.1", "client_certificate_missing")
