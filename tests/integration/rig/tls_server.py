"""Small test servers: an API server that records bearer tokens, and a CONNECT proxy."""

from __future__ import annotations

import http.server
import json
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme


class _APIServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    authorizations: list[str]


class _APIRequest(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _APIServer

    def do_GET(self) -> None:  # http.server's name
        self.server.authorizations.append(self.headers.get("Authorization", ""))
        send_json(self, 200, {"kind": "Status", "apiVersion": "v1", "status": "Success", "message": "hello"})

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def api_server(folder: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """Serve one document over TLS. Yields the URL, the CA file, and all Authorization headers."""
    authority = trustme.CA()
    ca_file = folder / "api-ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    server = _APIServer(("127.0.0.1", 0), _APIRequest)
    server.authorizations = []
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server):
        yield f"https://127.0.0.1:{server.server_address[1]}", ca_file, server.authorizations


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, target: tuple[str, int], answer: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.target = target
        self.answer = answer
        self.asked: list[bytes] = []


class _Tunnel(socketserver.BaseRequestHandler):
    server: _Proxy
    request: socket.socket

    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.request.recv(4096)
            if not data:
                return
            head += data
        self.server.asked.append(head)
        self.request.sendall(self.server.answer)
        if b" 200 " not in self.server.answer:
            return
        with socket.create_connection(self.server.target) as other:
            _pass_on(self.request, other)


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    peers = {one: other, other: one}
    while True:
        for ready in select.select([one, other], [], [])[0]:
            try:
                data = ready.recv(65_536)
                peers[ready].sendall(data)
            except OSError:
                return
            if not data:
                return


@contextmanager
def connect_proxy(
    target_port: int, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
) -> Iterator[tuple[int, list[bytes]]]:
    """Run a proxy whose tunnels all lead to one port of loopback. Yields its port, and the heads of its requests."""
    proxy = _Proxy(("127.0.0.1", target_port), answer)
    with serving(proxy):
        yield proxy.server_address[1], proxy.asked


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    """Run a server in a thread for the block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def send_json(request: http.server.BaseHTTPRequestHandler, status: int, document: object) -> None:
    """Respond to a request with a JSON document."""
    content = json.dumps(document).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)
