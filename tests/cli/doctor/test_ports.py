from __future__ import annotations

import os

import pytest

from authd.cli.doctor.ports import examine_ports
from tests.cli.doctor.conftest import write_kubeconfig
from tests.integration.rig.ports import free_port

DENIED = b'{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":{"authenticated":false}}'


def webhook(installation):
    finding, *_ = examine_ports(installation)
    return str(finding.level), finding.message


def health(installation):
    _, *findings = examine_ports(installation)
    return [(str(finding.level), finding.message) for finding in findings]


@pytest.fixture
def installation(make_installation):
    return make_installation({"healthPort": free_port()})


@pytest.mark.parametrize(
    ("status", "body", "level", "says"),
    [
        (200, DENIED, "ok", "the webhook answers at https://localhost:"),
        (403, DENIED, "warning", "aws-iam-authenticator answers at"),
        (503, DENIED, "error", "answered a test with status 503"),
        (200, DENIED.replace(b"false", b"true"), "error", "answered a test with status 200"),
        (200, b"hello", "error", "another program than a webhook responds"),
        (200, b'{"kind":"Pod","status":{}}', "error", "another program than a webhook responds"),
    ],
)
def test_the_webhook(installation, serve, status, body, level, says):
    """The response to a TokenReview distinguishes authd from other programs."""
    server = serve(lambda _path: (status, {}, body))
    write_kubeconfig(installation, server.ca_pem, server.port)
    assert webhook(installation)[0] == level
    assert says in webhook(installation)[1]


def test_another_ca(installation, serve, initialised):
    """A webhook with a certificate of another CA is an error."""
    server = serve(lambda _path: (200, {}, DENIED))
    write_kubeconfig(installation, initialised.files.trusted_pem(), server.port)
    assert webhook(installation)[0] == "error"
    assert "is not accepted for localhost" in webhook(installation)[1]


def test_a_comment_in_the_ca(installation, serve):
    """Comments beside the certificates of the kubeconfig may have letters of any language."""
    server = serve(lambda _path: (200, {}, DENIED))
    write_kubeconfig(installation, "# Zürich\n".encode() + server.ca_pem, server.port)
    assert webhook(installation)[0] == "ok"


def test_a_ca_without_certificates(installation):
    """A CA that is not in PEM is an error with a reason."""
    write_kubeconfig(installation, b"hello", free_port())
    expected = f"the certificates in {installation.kubeconfig} can't be used: they are not in PEM"
    assert webhook(installation) == ("error", expected)


def test_a_pipe_as_kubeconfig(installation):
    """A pipe is not read, because that could block for ever."""
    os.mkfifo(installation.kubeconfig)
    expected = f"{installation.kubeconfig} can't be read: it is not a regular file"
    assert webhook(installation) == ("error", expected)


def test_a_closed_port(initialised):
    """A webhook that does not run is an error, with the command that starts it."""
    write_kubeconfig(initialised, initialised.files.trusted_pem(), free_port())
    finding, *_ = examine_ports(initialised)
    assert (str(finding.level), finding.fix) == ("error", "systemctl start authd.socket authd.service")


def test_no_kubeconfig(installation):
    """A missing kubeconfig is an error, because it has the webhook's address."""
    assert webhook(installation)[0] == "error"


@pytest.mark.parametrize(
    ("readyz", "level", "says"),
    [
        (b"[+] settings: ok\nready\n", "ok", "authd is ready at"),
        (b"[+] reviews: ok, none yet\nready\n", "ok", ", reviews of tokens: none yet"),
        (b"[-] settings: broken\n[!] sts: slow\nnot ready\n", "error", "settings: broken"),
    ],
)
def test_health(make_installation, serve, readyz, level, says):
    """Each line of /readyz with a problem is a finding."""
    server = serve(lambda path: (200, {}, readyz if path == "/readyz" else b"ok\n"), tls=False)
    findings = health(make_installation({"healthPort": server.port}))
    assert findings[0][0] == level
    assert says in findings[0][1]
    assert len(findings) == (1 if level == "ok" else 2)


@pytest.mark.parametrize(("body", "program"), [(b"ok", "aws-iam-authenticator"), (b"hello", "something else")])
def test_another_program(make_installation, serve, body, program):
    """If another program listens on the health port, the error names it."""
    server = serve(lambda _path: (200, {}, body), tls=False)
    ((level, message),) = health(make_installation({"healthPort": server.port}))
    assert (level, message.split(" answers")[0]) == ("error", program)


def test_no_health(installation):
    """A closed health port is an error."""
    ((level, message),) = health(installation)
    assert level == "error"
    assert message.startswith("no process listens on the health port")


def test_any_health_port(make_installation):
    """The health port 0 is a warning, because the actual port is unknown."""
    assert health(make_installation({"healthPort": 0}))[0][0] == "warning"
