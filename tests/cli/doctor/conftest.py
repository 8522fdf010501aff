from __future__ import annotations

import http.server
import json
import ssl
import threading
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import trustme

from authd.cli.doctor.installation import Installation
from authd.config.load import load_settings
from authd.partition_data import load_partitions
from authd.state.certificate_store import StateFiles
from authd.state.kubeconfig import webhook_kubeconfig


class _Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._respond()

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self._respond()

    def _respond(self):
        status, headers, body = self.server.respond(self.path)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    """Serve HTTP, or HTTPS for localhost, with `respond(path)` that returns status, headers and body."""
    servers = []

    def start(respond, *, tls=True):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Request)
        server.daemon_threads = True
        server.respond = respond
        ca = trustme.CA()
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            ca.issue_cert("localhost", "sts.us-east-1.amazonaws.com").configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        servers.append((server, thread))
        return SimpleNamespace(port=server.server_address[1], ca_pem=ca.cert_pem.bytes())

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def make_installation(tmp_path):
    """Return a function that makes an installation from settings, without a process or a manifest."""
    proc = tmp_path / "proc"
    proc.mkdir()

    def make(server=None, **fields):
        settings = {
            "clusterID": "c",
            "server": {
                "stateDir": str(tmp_path / "state"),
                "generateKubeconfig": str(tmp_path / "kubeconfig.yaml"),
                **(server or {}),
            },
        }
        config = tmp_path / "etc" / "config.yaml"
        config.parent.mkdir(exist_ok=True)
        config.write_text(json.dumps(settings))
        loaded = load_settings(config.read_bytes(), file=str(config), partitions=load_partitions())
        return Installation(
            config=config, loaded=loaded, now=datetime.now(UTC), manifest=tmp_path / "kube-apiserver.yaml", proc=proc,
            timeout=10.0, **fields,
        )  # fmt: skip

    return make


@pytest.fixture
def initialised(make_installation):
    """Return an installation after `authd init`."""
    installation = make_installation()
    files = StateFiles(folder=installation.files.folder)
    files.ensure_pair(installation.settings.own_names, installation.now)
    write_kubeconfig(installation, files.trusted_pem(), 21362)
    return installation


def write_kubeconfig(installation, ca_pem, port):
    installation.kubeconfig.write_bytes(webhook_kubeconfig(host="localhost", port=port, authority_pem=ca_pem))
    installation.kubeconfig.chmod(0o600)
