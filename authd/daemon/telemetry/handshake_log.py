"""Counts the webhook's failed TLS handshakes, and logs them with the next step at a limited rate."""

from __future__ import annotations

import time
from enum import StrEnum

from OpenSSL import SSL
from twisted.logger import Logger

from authd.daemon.net.openssl_errors import openssl_reason
from authd.daemon.telemetry.bounded_lines import BoundedLines
from authd.daemon.telemetry.metrics import Metrics

_log = Logger(namespace="authd.tls")

#: Lines of each reason: burst and rate per second. kube-apiserver retries a failed connection for every login.
_LINES, _LINES_PER_SECOND = 3.0, 1 / 30


class HandshakeFailure(StrEnum):
    """The reason of a failed handshake. The values are labels of a metric."""

    SERVER_CERTIFICATE_REJECTED = "server_certificate_rejected"
    CLIENT_CERTIFICATE_MISSING = "client_certificate_missing"
    CLIENT_CERTIFICATE_REFUSED = "client_certificate_refused"
    NOT_TLS = "not_tls"
    PROTOCOL = "protocol"


#: Parts of OpenSSL's reasons, in order of precedence. The alerts are those of RFC 8446, section 6.2.
_BY_REASON = (
    ("did not return a certificate", HandshakeFailure.CLIENT_CERTIFICATE_MISSING),
    ("certificate verify failed", HandshakeFailure.CLIENT_CERTIFICATE_REFUSED),
    ("alert unknown ca", HandshakeFailure.SERVER_CERTIFICATE_REJECTED),
    ("alert bad certificate", HandshakeFailure.SERVER_CERTIFICATE_REJECTED),
    ("alert certificate", HandshakeFailure.SERVER_CERTIFICATE_REJECTED),
    ("alert unsupported certificate", HandshakeFailure.SERVER_CERTIFICATE_REJECTED),
    ("http request", HandshakeFailure.NOT_TLS),
    ("wrong version number", HandshakeFailure.NOT_TLS),
    ("packet length too long", HandshakeFailure.NOT_TLS),
)
_NEXT_STEP = {
    HandshakeFailure.SERVER_CERTIFICATE_REJECTED: (
        "the client refused this daemon's certificate: if it is kube-apiserver, run `authd doctor` to compare the CA "
        "of its webhook kubeconfig with ca.pem, `authd init` if they differ, and restart kube-apiserver"
    ),
    HandshakeFailure.CLIENT_CERTIFICATE_MISSING: (
        "the client has no certificate, and server.requireClientCertificate is set: run `authd init --mutual-tls` and "
        "restart kube-apiserver"
    ),
    HandshakeFailure.CLIENT_CERTIFICATE_REFUSED: (
        "the client's certificate is not signed by ca.pem or has expired: run `authd init --mutual-tls` and restart "
        "kube-apiserver"
    ),
    HandshakeFailure.NOT_TLS: "the client does not speak TLS: use https",
    HandshakeFailure.PROTOCOL: "client and daemon have no TLS version or cipher suite in common: use TLS 1.2 or 1.3",
}


def handshake_failure(error: SSL.Error) -> tuple[HandshakeFailure, str]:
    """Return the reason of a failed handshake, and OpenSSL's description."""
    words = openssl_reason(error)
    reason = next((reason for part, reason in _BY_REASON if part in words), HandshakeFailure.PROTOCOL)
    return reason, words


class HandshakeLog:
    """Logs and counts failed handshakes."""

    def __init__(self, metrics: Metrics) -> None:
        now = time.monotonic()
        self._count = metrics.counter(
            "authd_failed_handshakes", "Failed TLS handshakes by reason.", "reason", HandshakeFailure
        )
        self._lines = {
            reason: BoundedLines(burst=_LINES, rate=_LINES_PER_SECOND, now=now) for reason in HandshakeFailure
        }

    def failed(self, peer: str, error: SSL.Error) -> None:
        """Count a failed handshake, and log it unless there were many of the same reason."""
        reason, words = handshake_failure(error)
        self._count[reason] += 1
        lines = self._lines[reason]
        if not lines.permits(time.monotonic()):
            return
        _log.warn(
            "a TLS handshake with {peer} failed ({openssl}): {next_step}",
            peer=peer,
            openssl=words,
            next_step=_NEXT_STEP[reason],
            reason=str(reason),
            omitted=lines.take_omitted(),
        )
