"""Runs nginx, as an STS faster than its clients and as a floor."""

from __future__ import annotations

import socket
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from authd.state.x509 import new_ca, new_leaf
from benchmarks.clients.tokens import FAST_HOST, SLOW_HOST
from benchmarks.processes import Running, program
from tests.integration.rig.ports import free_port

_LUA = Path(__file__).with_name("sts.lua")
_MODULES = Path("/usr/lib/nginx/modules")
_START_SECONDS = 5.0

#: Responses of STS and of a webhook with their usual lengths.
STS_ANSWER = (
    '{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"123456789012",'
    '"Arn":"arn:aws:sts::123456789012:assumed-role/Bench/caller-1",'
    '"UserId":"AROAEXAMPLEEXAMPLE123:caller-1"},'
    '"ResponseMetadata":{"RequestId":"01234567-89ab-cdef-0123-456789abcdef"}}}'
)
REVIEW_ANSWER = (
    '{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":{"authenticated":true,"user":'
    '{"username":"bench:caller-1","uid":"aws-iam-authenticator:123456789012:AROAEXAMPLEEXAMPLE123",'
    '"groups":["bench"],"extra":{"arn":["arn:aws:sts::123456789012:assumed-role/Bench/caller-1"],'
    '"canonicalArn":["arn:aws:iam::123456789012:role/Bench"],"sessionName":["caller-1"],'
    '"accessKeyId":["ASIAGOOD000000000001"],"principalId":["AROAEXAMPLEEXAMPLE123"],'
    '"sigs.k8s.io/aws-iam-authenticator/principalId":["AROAEXAMPLEEXAMPLE123"]}}}}'
)

_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr crit;
{modules}
events {{ worker_connections 4096; }}
http {{
  access_log off;
  server_tokens off;
  default_type application/json;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_tickets off;
  ssl_certificate {certificate};
  ssl_certificate_key {key};
  {servers}
}}
"""
_FIXED = "server {{ listen 127.0.0.1:{port} ssl; location / {{ return 200 '{answer}'; }} }}"
_BEHAVED = (
    "server {{ listen 127.0.0.1:{port} ssl; set $delay {delay}; location / {{ content_by_lua_file {script}; }} }}"
)
_STATUS = "server {{ listen 127.0.0.1:{port}; location / {{ stub_status; }} }}"


def _wait_for(port: int, running: Running) -> None:
    limit = time.monotonic() + _START_SECONDS
    while time.monotonic() < limit and running.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    running.end()
    raise SystemExit(f"nginx did not start: {running.log.read_text()[-500:]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class STS:
    """A fake STS: `ports` by host, `ca_file` to verify its certificate."""

    running: Running
    ports: dict[str, int]
    ca_file: Path
    _status_port: int

    def calls(self) -> int:
        """Return the number of requests so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._status_port}/", timeout=5) as answer:
            return int(answer.read().split()[9])


def start_sts(folder: Path, core: int, *, delay: float = 0.0, slow_delay: float = 0.02) -> STS:
    """Start an STS with two hosts and their delays in seconds. Without `delay`, the fast one has a fixed response."""
    folder.mkdir()
    now = datetime.now(UTC)
    authority = new_ca("benchmark", now)
    leaf = new_leaf(authority, (FAST_HOST, SLOW_HOST), now)
    (folder / "ca.pem").write_bytes(authority.certificate_pem)
    (folder / "cert.pem").write_bytes(leaf.certificate_pem)
    (folder / "key.pem").write_bytes(leaf.key_pem)
    ports = {FAST_HOST: free_port(), SLOW_HOST: free_port()}
    status_port = free_port()
    fast = _FIXED.format(port=ports[FAST_HOST], answer=STS_ANSWER)
    if delay:
        fast = _BEHAVED.format(port=ports[FAST_HOST], delay=delay, script=_LUA)
    slow = _BEHAVED.format(port=ports[SLOW_HOST], delay=slow_delay, script=_LUA)
    servers = "\n".join((fast, slow, _STATUS.format(port=status_port)))
    running = _start(folder, core, servers, certificate=folder / "cert.pem", key=folder / "key.pem", lua=True)
    _wait_for(status_port, running)
    return STS(running=running, ports=ports, ca_file=folder / "ca.pem", _status_port=status_port)


def start_floor(folder: Path, core: int, state: Path) -> tuple[Running, int]:
    """Start nginx with the daemon's certificate and a fixed TokenReview as response. Returns process and port."""
    folder.mkdir()
    port = free_port()
    servers = _FIXED.format(port=port, answer=REVIEW_ANSWER)
    running = _start(folder, core, servers, certificate=state / "cert.pem", key=state / "key.pem", lua=False)
    _wait_for(port, running)
    return running, port


def _start(folder: Path, core: int, servers: str, *, certificate: Path, key: Path, lua: bool) -> Running:
    modules = [_MODULES / "ndk_http_module.so", _MODULES / "ngx_http_lua_module.so"] if lua else []
    if not all(module.exists() for module in modules):
        raise SystemExit("nginx's Lua module is missing: apt install libnginx-mod-http-lua")
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            folder=folder,
            modules="\n".join(f"load_module {module};" for module in modules),
            certificate=certificate,
            key=key,
            servers=servers,
        )
    )
    return Running([program("nginx"), "-c", str(configuration), "-e", "stderr"], core, folder / "nginx.log")
