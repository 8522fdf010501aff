"""etcd and kube-apiserver as processes on loopback, with certificates of a throw-away authority."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.e2e.rig.assets import Assets
from tests.integration.rig.polling import wait_until
from tests.integration.rig.ports import free_ports

#: Both have a lower priority than other programs on this machine.
_NICENESS = 10


class Program:
    """A process with its output in a file."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
            )
        os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICENESS)

    @property
    def pid(self) -> int:
        """The process's ID."""
        return self._process.pid

    def check_alive(self) -> None:
        """Raise an error with the end of its log if it has ended."""
        assert self._process.poll() is None, self.log.read_text(errors="replace")[-4000:]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Suspend the process for the block."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it by SIGTERM, and wait."""
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class ControlPlane:
    """A cluster without nodes, whose API server sends TokenReviews of one version to a webhook.

    `arguments` are further flags of kube-apiserver.
    """

    def __init__(
        self,
        folder: Path,
        assets: Assets,
        webhook_kubeconfig: Path,
        webhook_version: str,
        arguments: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.assets = assets
        self._client, self._peer, self.port = free_ports(3)
        self.url = f"https://127.0.0.1:{self.port}"
        self._webhook = (webhook_kubeconfig, webhook_version)
        self._arguments = list(arguments)
        self._make_certificates()
        self._programs: list[Program] = []

    def _make_certificates(self) -> None:
        authority = trustme.CA()
        self.ca_file = self.folder / "ca.crt"
        authority.cert_pem.write_to_path(str(self.ca_file))
        pairs = {
            "apiserver": authority.issue_cert("127.0.0.1", "localhost"),
            "admin": authority.issue_cert("admin", common_name="admin", organization_name="system:masters"),
        }
        for name, pair in pairs.items():
            (self.folder / f"{name}.crt").write_bytes(b"".join(pem.bytes() for pem in pair.cert_chain_pems))
            (self.folder / f"{name}.key").write_bytes(pair.private_key_pem.bytes())
        signer = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (self.folder / "sa.key").write_bytes(
            signer.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        (self.folder / "sa.pub").write_bytes(
            signer.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def __enter__(self) -> Self:
        self._programs.append(Program(self._etcd(), self.folder / "etcd.log"))
        self._programs.append(Program(self._apiserver(), self.folder / "apiserver.log"))
        try:
            wait_until(self._is_ready, "kube-apiserver to be ready", seconds=180)
        except BaseException:
            self.__exit__()
            raise
        return self

    @property
    def etcd(self) -> Program:
        """The running etcd."""
        return self._programs[0]

    @property
    def etcd_address(self) -> str:
        """Host and port of etcd, without TLS."""
        return f"127.0.0.1:{self._client}"

    @property
    def apiserver(self) -> Program:
        """The running API server."""
        return self._programs[1]

    def stop_apiserver(self) -> None:
        """End the API server, with its connections."""
        self._programs.pop().stop()

    def start_apiserver(self) -> None:
        """Start the API server again."""
        self._programs.append(Program(self._apiserver(), self.folder / "apiserver.log"))
        wait_until(self._is_ready, "kube-apiserver to be ready again", seconds=180)

    def __exit__(self, *_: object) -> None:
        for program in reversed(self._programs):
            program.stop()

    def _etcd(self) -> list[str]:
        client, peer = f"http://127.0.0.1:{self._client}", f"http://127.0.0.1:{self._peer}"
        return [
            self.assets.etcd,
            "--name=test",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=test={peer}",
            "--logger=zap",
            "--unsafe-no-fsync",
        ]

    def _apiserver(self) -> list[str]:
        kubeconfig, version = self._webhook
        return [
            self.assets.apiserver,
            f"--etcd-servers=http://127.0.0.1:{self._client}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={self.folder / 'apiserver.crt'}",
            f"--tls-private-key-file={self.folder / 'apiserver.key'}",
            f"--client-ca-file={self.ca_file}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.folder / 'sa.pub'}",
            f"--service-account-signing-key-file={self.folder / 'sa.key'}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--allow-privileged=true",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",
            f"--authentication-token-webhook-config-file={kubeconfig}",
            f"--authentication-token-webhook-version={version}",
            # kube-apiserver still caches accepted tokens for ten seconds, and has no flag for that.
            "--authentication-token-webhook-cache-ttl=0s",
            *self._arguments,
        ]

    def _is_ready(self) -> bool:
        for program in self._programs:
            program.check_alive()
        try:
            return self.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def request(
        self, method: str, path: str, body: object = None, token: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send a request with a bearer token, or with the administrator's client certificate if there is none."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        if not token:
            context.load_cert_chain(self.folder / "admin.crt", self.folder / "admin.key")
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=60)
        all_headers = {"Content-Type": "application/json"} | (headers or {})
        if token:
            all_headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), all_headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        return response.status, json.loads(content) if content.startswith(b"{") else content.decode()

    def grant(self, name: str, group: str, *rules: dict[str, list[str]]) -> None:
        """Bind a group to a new role with these rules. The built-in roles are empty without a controller."""
        api = "/apis/rbac.authorization.k8s.io/v1"
        kind = {"apiVersion": "rbac.authorization.k8s.io/v1"}
        role = {**kind, "kind": "ClusterRole", "metadata": {"name": name}, "rules": list(rules)}
        binding = {
            **kind,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
        }
        for path, content in ((f"{api}/clusterroles", role), (f"{api}/clusterrolebindings", binding)):
            status, answer = self.request("POST", path, content)
            assert status == 201, answer

    def let_group_list_namespaces(self, group: str) -> None:
        """Bind a group to a role that may list namespaces."""
        self.grant(
            f"{group}-readers", group, {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list"]}
        )

    def admin_kubeconfig(self) -> Path:
        """Write a kubeconfig with the administrator's client certificate."""
        files = {"client-certificate": self.folder / "admin.crt", "client-key": self.folder / "admin.key"}
        return self._kubeconfig(self.folder / "admin.kubeconfig", {name: str(file) for name, file in files.items()})

    def user_kubeconfig(self, path: Path, plugin: dict[str, object]) -> Path:
        """Write a kubeconfig for kubectl with a credential plugin."""
        return self._kubeconfig(path, {"exec": plugin})

    def _kubeconfig(self, path: Path, user: Mapping[str, object]) -> Path:
        cluster = {
            "server": self.url,
            "certificate-authority-data": base64.b64encode(self.ca_file.read_bytes()).decode(),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "me", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "me"}}],
            "current-context": "test",
        }
        path.write_text(json.dumps(config))
        return path
