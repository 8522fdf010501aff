"""Failed TLS handshakes: their reasons, counts and log lines."""

from __future__ import annotations

import pytest
from OpenSSL import SSL
from twisted.logger import capturedLogs, formatEvent

from authd.daemon.telemetry.handshake_log import HandshakeFailure, HandshakeLog, handshake_failure
from authd.daemon.telemetry.metrics import Metrics
from authd.daemon.telemetry.prometheus import render


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("tlsv1 alert unknown ca", HandshakeFailure.SERVER_CERTIFICATE_REJECTED),
        ("ssl/tls alert bad certificate", HandshakeFailure.SERVER_CERTIFICATE_REJECTED),
        ("sslv3 alert certificate expired", HandshakeFailure.SERVER_CERTIFICATE_REJECTED),
        ("peer did not return a certificate", HandshakeFailure.CLIENT_CERTIFICATE_MISSING),
        ("certificate verify failed", HandshakeFailure.CLIENT_CERTIFICATE_REFUSED),
        ("http request", HandshakeFailure.NOT_TLS),
        ("wrong version number", HandshakeFailure.NOT_TLS),
        ("no shared cipher", HandshakeFailure.PROTOCOL),
    ],
)
def test_each_reason_of_openssl(words: str, reason: HandshakeFailure) -> None:
    """OpenSSL's reasons map to a fixed set."""
    assert handshake_failure(SSL.Error([("SSL routines", "", words)])) == (reason, words)
    assert handshake_failure(SSL.Error()) == (HandshakeFailure.PROTOCOL, "no reason given")


def test_all_failures_are_counted_and_a_few_are_logged() -> None:
    """Many failures of one reason don't suppress the lines of another."""
    metrics = Metrics()
    log = HandshakeLog(metrics)
    with capturedLogs() as events:
        for _ in range(100):
            log.failed("10.0.0.1", SSL.Error([("", "", "http request")]))
        log.failed("127.0.0.1", SSL.Error([("", "", "tlsv1 alert unknown ca")]))
    lines = [formatEvent(event) for event in events]
    assert len(lines) == 4
    assert "handshake with 127.0.0.1 failed (tlsv1 alert unknown ca): the client refused" in lines[-1]
    assert "authd doctor" in lines[-1]
    figures = render(metrics.families).decode()
    assert 'authd_failed_handshakes_total{reason="not_tls"} 100.0' in figures
    assert 'authd_failed_handshakes_total{reason="server_certificate_rejected"} 1.0' in figures
