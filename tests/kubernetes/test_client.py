"""The client of the API server, over TLS."""

from __future__ import annotations

import gzip
import json
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme
from twisted.internet.defer import CancelledError, Deferred

from authd.core.errors import ConfigError
from authd.daemon.net.api_tls import APIConnector
from authd.exchange.errors import InvalidResponse, Unreachable
from authd.kubernetes.client import APIClient
from authd.kubernetes.errors import StatusError
from authd.kubernetes.kubeconfig import load_kubeconfig
from tests.kubernetes.api_server import CONFIG_MAPS, APIServer, Connection, status
from tests.kubernetes.reactor_thread import ReactorThread

PATH = f"{CONFIG_MAPS}/aws-auth"


def get(thread, client):
    return thread.run(lambda: client.call("GET", PATH))


def client_of(thread: ReactorThread, path: Path, timeout: float = 5.0) -> APIClient:
    return APIClient(thread.reactor, load_kubeconfig(str(path)), APIConnector(thread.reactor), timeout=timeout)


def kubeconfig_at(server: APIServer, directory: Path, listener: socket.socket) -> Path:
    """Write a kubeconfig that leads to another listener."""
    path = server.kubeconfig(directory)
    path.write_text(path.read_text().replace(str(server.port), str(listener.getsockname()[1])))
    return path


@pytest.fixture
def full():
    """A listener whose backlog is full, so that connections to it hang."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener


def test_get(server, thread, client):
    """A GET sends one request with the token and returns the object."""
    server.put(CONFIG_MAPS, "aws-auth", data={"mapRoles": "[]"})
    assert get(thread, client)["data"] == {"mapRoles": "[]"}
    assert server.requests == [("GET", PATH)]


def test_client_certificate(server, thread, tmp_path):
    """A client certificate with its key authenticates without a token."""
    server.put(CONFIG_MAPS, "aws-auth", data={})
    pair = server.authority.issue_cert("authd.example")
    pair.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    pair.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    path = server.kubeconfig(tmp_path, "{client-certificate: cert.pem, client-key: key.pem}")
    assert get(thread, client_of(thread, path))["data"] == {}
    assert server.clients[0]["subjectAltName"] == (("DNS", "authd.example"),)


def test_empty_ca(server, thread, tmp_path):
    """An empty CA file, as during a rotation, is a `ConfigError`. The system's authorities are not trusted instead."""
    path = server.kubeconfig(tmp_path)
    empty = tmp_path / "empty.pem"
    empty.touch()
    path.write_text(path.read_text().replace(str(server.ca_file), str(empty)))
    with pytest.raises(ConfigError, match=r"empty\.pem.*CA is not PEM"):
        get(thread, client_of(thread, path))


def test_key_of_another_certificate(server, thread, tmp_path):
    """A key of another certificate is a `ConfigError` before anything is sent."""
    for name in ("one", "two"):
        pair = server.authority.issue_cert(f"{name}.example")
        pair.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
        pair.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.crt"))
    path = server.kubeconfig(tmp_path, "{client-certificate: one.crt, client-key: two.key}")
    with pytest.raises(ConfigError, match=r"one\.crt.*certificate and key do not match"):
        get(thread, client_of(thread, path))
    assert server.requests == []


def test_rotated_token(server, thread, tmp_path):
    """A token file is read again for each call."""
    server.put(CONFIG_MAPS, "aws-auth", data={})
    (tmp_path / "token").write_text("old\n")
    client = client_of(thread, server.kubeconfig(tmp_path, "{tokenFile: token}"))
    with pytest.raises(StatusError) as caught:
        get(thread, client)
    assert caught.value.code == 401
    (tmp_path / "token").write_text("the-token\n")
    assert get(thread, client)["data"] == {}


def test_foreign_authority(server, thread, tmp_path):
    """Nothing is sent if another authority has signed the server's certificate."""
    trustme.CA().cert_pem.write_to_path(str(server.ca_file))
    with pytest.raises(Unreachable, match="TLS"):
        get(thread, client_of(thread, server.kubeconfig(tmp_path)))
    assert server.requests == []


@pytest.mark.parametrize("name", ["other.example", "10.0.0.1"])
def test_wrong_name(server, thread, tmp_path, name):
    """The certificate must have the name or address of the server."""
    path = server.kubeconfig(tmp_path)
    path.write_text(path.read_text().replace("cluster: {server", f"cluster: {{tls-server-name: {name}, server"))
    with pytest.raises(Unreachable, match="TLS"):
        get(thread, client_of(thread, path))


def test_server_name(server, thread, tmp_path):
    """tls-server-name is the name to verify in the certificate."""
    server.put(CONFIG_MAPS, "aws-auth", data={})
    path = server.kubeconfig(tmp_path)
    path.write_text(path.read_text().replace("cluster: {server", "cluster: {tls-server-name: localhost, server"))
    assert get(thread, client_of(thread, path))["data"] == {}


@pytest.mark.parametrize("code", [403, 404, 409, 410, 429, 500, 503, 301])
def test_status(server, thread, client, code):
    """An error of the API server has its code, reason and message."""
    answer = status(code, "Reason", "why")
    server.faults.append(lambda it: it.answer(code, answer, "Retry-After: 7\r\nLocation: https://localhost/\r\n"))
    with pytest.raises(StatusError, match=rf"answered {code} \(why\)") as caught:
        get(thread, client)
    assert (caught.value.code, caught.value.reason, caught.value.retry_after) == (code, "Reason", 7.0)
    assert caught.value.is_expired == (code == 410)


def test_echoed_token(server, thread, client):
    """A token that the server repeats is not in the message."""
    server.faults.append(lambda it: it.answer(403, status(403, "", f"no: {it.headers['authorization']}")))
    with pytest.raises(StatusError) as caught:
        get(thread, client)
    assert "the-token" not in str(caught.value)
    assert "the-token" not in repr(client.access)


def encoded(it: Connection) -> None:
    it.answer(200, gzip.compress(b"{}"), "Content-Encoding: gzip\r\n")


def truncated(it: Connection) -> None:
    it.stream.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a"')


def cut_chunk(it: Connection) -> None:
    it.begin_stream()
    it.stream.sendall(b"10\r\n{}")


def endless_head(it: Connection) -> None:
    it.stream.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        it.stream.sendall(b"X-A: b\r\n" * 1000)


def endless_body(it: Connection) -> None:
    it.begin_stream()
    while True:
        it.chunk(b" " * 65_536)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (encoded, InvalidResponse),
        (truncated, Unreachable),
        (cut_chunk, Unreachable),
        (endless_head, Unreachable),
        (endless_body, InvalidResponse),
        (lambda it: it.reset(), Unreachable),
        (lambda it: None, Unreachable),
        (lambda it: it.stream.sendall(b"SSH-2.0-OpenSSH\r\n\r\n"), Unreachable),
        (lambda it: it.answer(200, b"{"), InvalidResponse),
        (lambda it: it.answer(200, b"[]"), InvalidResponse),
        (lambda it: it.answer(200, b"[" * 100_000), InvalidResponse),
    ],
)
def test_incomplete_responses(server, thread, client, fault, error):
    """An incomplete response is an error, and the next call succeeds."""
    server.put(CONFIG_MAPS, "aws-auth", data={})
    server.faults.append(lambda it: bool(fault(it)))
    with pytest.raises(error):
        get(thread, client)
    assert get(thread, client)["data"] == {}


def test_deadline(server, thread, tmp_path):
    """A call to a silent server ends at its deadline."""
    server.faults.append(lambda it: bool(it.stream.recv(1)))
    with pytest.raises(Unreachable, match="in time"):
        get(thread, client_of(thread, server.kubeconfig(tmp_path), timeout=0.3))


def test_silent_handshake(server, thread, tmp_path):
    """A call to a server that accepts the connection and stays silent ends at its deadline."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        path = kubeconfig_at(server, tmp_path, silent)
        with pytest.raises(Unreachable, match="in time"):
            get(thread, client_of(thread, path, timeout=0.3))


def test_hanging_connection(server, thread, tmp_path, full):
    """A call to a host that accepts no connection ends at its deadline."""
    path = kubeconfig_at(server, tmp_path, full)
    with pytest.raises(Unreachable, match="in time"):
        get(thread, client_of(thread, path, timeout=0.3))


@pytest.mark.parametrize("call", ["call", "stream"])
def test_cancelled_connection(server, thread, tmp_path, full, call):
    """A call that is cancelled while it connects raises `CancelledError`, which the canceller expects."""
    client = client_of(thread, kubeconfig_at(server, tmp_path, full))

    def run():
        if call == "call":
            coroutine = client.call("GET", PATH)
        else:
            coroutine = client.stream(PATH, {}, bytes, opened=tuple, silence=1.0)
        running = Deferred.fromCoroutine(coroutine)
        thread.reactor.callLater(0.1, running.cancel)
        return running

    with pytest.raises(CancelledError):
        thread.call(run)


def test_refused_connection(server, thread, tmp_path):
    """A refused connection is reported as such."""
    path = server.kubeconfig(tmp_path)
    path.write_text(path.read_text().replace(str(server.port), "1"))
    with pytest.raises(Unreachable, match="no connection"):
        get(thread, client_of(thread, path))


def test_patch(server, thread, client):
    """A body is sent as JSON with its content type."""
    server.put(CONFIG_MAPS, "aws-auth", data={"a": "b"})
    seen = []
    server.faults.append(lambda it: seen.append((it.headers["content-type"], json.loads(it.body))) or True)
    kind = "application/merge-patch+json"
    made = thread.run(lambda: client.call("PATCH", PATH, body={"data": {"c": "d"}}, content_type=kind))
    assert made["data"] == {"a": "b", "c": "d"}
    assert seen == [(kind, {"data": {"c": "d"}})]


def test_used_server(tmp_path):
    """The test server refuses a wrong token."""
    with APIServer(tmp_path).running() as server, ReactorThread().running() as thread:
        path = server.kubeconfig(tmp_path, '{token: "wrong"}')
        with pytest.raises(StatusError, match="401"):
            get(thread, client_of(thread, path))
