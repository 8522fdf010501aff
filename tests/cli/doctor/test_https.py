from __future__ import annotations

import socketserver
import threading

import pytest

from authd.cli.doctor.https import ConnectionRefused, ProbeError, Route, Untrusted, client_context, probe
from tests.integration.rig.ports import free_port
from tests.integration.rig.tls_server import connect_proxy


def respond(_path):
    return 200, {"X-Test": "yes"}, b"hello"


def route_to(port, host="localhost", **options):
    return Route(host=host, address=("127.0.0.1", port), **options)


@pytest.fixture
def server(serve):
    return serve(respond)


@pytest.fixture
def context(server):
    return client_context(ca_pem=server.ca_pem.decode())


def test_a_response(server, context):
    """A request returns status, headers, body and duration."""
    response = probe(route_to(server.port), context, "/")
    assert (response.status, response.headers["X-Test"], response.body) == (200, "yes", b"hello")
    assert response.seconds > 0


def test_by_a_proxy(server, context):
    """A proxy gets a CONNECT for the address."""
    with connect_proxy(server.port) as (port, asked):
        route = Route(host="localhost", address=("sts.example.com", 443), proxy=("127.0.0.1", port))
        assert probe(route, context, "/").body == b"hello"
    assert asked[0].startswith(b"CONNECT sts.example.com:443 HTTP/1.1\r\n")


def test_a_proxy_that_refuses(server, context):
    """If a proxy refuses, the error names the proxy and its status."""
    with connect_proxy(server.port, b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as (port, _):
        route = Route(host="localhost", address=("sts.example.com", 443), proxy=("127.0.0.1", port))
        with pytest.raises(ProbeError, match=rf"the proxy 127.0.0.1:{port} refuses a tunnel .* with 407"):
            probe(route, context, "/")


def test_a_dead_proxy(context):
    """If a proxy does not run, the error names it."""
    port = free_port()
    with pytest.raises(ConnectionRefused, match=f"no process listens on the proxy 127.0.0.1:{port}"):
        probe(Route(host="localhost", address=("sts.example.com", 443), proxy=("127.0.0.1", port)), context, "/")


def test_a_closed_port(context):
    """If a port is closed, the error names it."""
    port = free_port()
    with pytest.raises(ConnectionRefused, match=f"no process listens on 127.0.0.1:{port}"):
        probe(route_to(port), context, "/")


def test_a_certificate_of_another_ca(server):
    """A certificate that is not trusted is an error with OpenSSL's reason."""
    with pytest.raises(Untrusted, match=r"is not accepted for localhost: .*certificate"):
        probe(route_to(server.port), client_context(), "/")


def test_a_certificate_for_another_name(server, context):
    """A certificate for another name is not accepted."""
    with pytest.raises(Untrusted, match=r"not accepted for other\.example\.com: .*Hostname mismatch"):
        probe(route_to(server.port, "other.example.com"), context, "/")


def test_a_port_without_tls(serve, context):
    """A server without TLS is an error."""
    plain = serve(respond, tls=False)
    with pytest.raises(Untrusted, match=f"TLS with 127.0.0.1:{plain.port} failed"):
        probe(route_to(plain.port), context, "/")


def test_a_name_that_can_not_be_resolved(context):
    """If a name can't be resolved, the error names the host."""
    route = Route(host="sts.invalid", address=("sts.invalid", 443))
    with pytest.raises(ProbeError, match=r"the name of sts\.invalid:443 can't be resolved"):
        probe(route, context, "/")


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".com"])
def test_a_name_that_is_no_host_name(context, host):
    """A name that DNS can't have is an error too."""
    with pytest.raises(ProbeError, match="can't be resolved: it is not a host name"):
        probe(Route(host=host, address=(host, 443)), context, "/")


class _Silent(socketserver.BaseRequestHandler):
    def handle(self):
        self.server.ended.wait()


def test_a_silent_server(context):
    """A server that accepts the connection and sends nothing is an error after the timeout."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Silent) as server:
        server.daemon_threads, server.ended = True, threading.Event()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            with pytest.raises(ProbeError, match="does not answer to the TLS handshake"):
                probe(route_to(server.server_address[1]), context, "/", timeout=0.2)
        finally:
            server.ended.set()
            server.shutdown()
            thread.join()
