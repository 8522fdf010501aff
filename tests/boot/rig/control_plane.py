"""kubeadm's control plane without kubelet: etcd, the manifest of kube-apiserver, and the pod that it describes."""

from __future__ import annotations

import base64
import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.boot.rig.machine import Machine

MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
ADMIN = "/etc/kubernetes/admin.conf"
_PKI = "etc/kubernetes/pki"
_URL = "https://127.0.0.1:6443"
#: The name of the cluster in kubeconfigs.
_NAME = "my-cluster"
#: The image contains only the program.
_IMAGE = "/var/lib/image/kube-apiserver"
#: As kubeadm writes it, except for etcd without TLS and the loopback address, which allows no endpoint reconciler.
_POD = """\
apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint: 127.0.0.1:6443
  labels:
    component: kube-apiserver
    tier: control-plane
  name: kube-apiserver
  namespace: kube-system
spec:
  containers:
  - command:
    - kube-apiserver
    - --advertise-address=127.0.0.1
    - --allow-privileged=true
    - --authorization-mode=Node,RBAC
    - --client-ca-file=/etc/kubernetes/pki/ca.crt
    - --enable-admission-plugins=NodeRestriction
    - --enable-bootstrap-token-auth=true
    - --endpoint-reconciler-type=none
    - --etcd-servers=http://127.0.0.1:2379
    - --secure-port=6443
    - --service-account-issuer=https://kubernetes.default.svc.cluster.local
    - --service-account-key-file=/etc/kubernetes/pki/sa.pub
    - --service-account-signing-key-file=/etc/kubernetes/pki/sa.key
    - --service-cluster-ip-range=10.96.0.0/12
    - --tls-cert-file=/etc/kubernetes/pki/apiserver.crt
    - --tls-private-key-file=/etc/kubernetes/pki/apiserver.key
    image: registry.k8s.io/kube-apiserver:v1.37.2
    imagePullPolicy: IfNotPresent
    name: kube-apiserver
    resources:
      requests:
        cpu: 250m
    volumeMounts:
    - mountPath: /etc/ssl/certs
      name: ca-certs
      readOnly: true
    - mountPath: /etc/kubernetes/pki
      name: k8s-certs
      readOnly: true
  hostNetwork: true
  priorityClassName: system-node-critical
  volumes:
  - hostPath:
      path: /etc/ssl/certs
      type: DirectoryOrCreate
    name: ca-certs
  - hostPath:
      path: /etc/kubernetes/pki
      type: DirectoryOrCreate
    name: k8s-certs
status: {}
"""


@dataclass(slots=True)
class ControlPlane:
    """The control plane of a machine with the programs of `binds`."""

    machine: Machine
    _running: str = field(default="", init=False)

    @staticmethod
    def binds(apiserver: str, etcd: str, kubectl: str) -> dict[str, Path]:
        """Return the host's programs by their place in the machine."""
        return {
            f"{_IMAGE}/usr/local/bin/kube-apiserver": Path(apiserver),
            "/usr/local/bin/etcd": Path(etcd),
            "/usr/local/bin/kubectl": Path(kubectl),
        }

    def start(self) -> None:
        """Write what `kubeadm init` writes, and start etcd and kube-apiserver."""
        _write_pki(self.machine.root / _PKI, self.machine.root / ADMIN.lstrip("/"))
        manifest = self.machine.root / MANIFEST.lstrip("/")
        manifest.parent.mkdir(parents=True)
        manifest.write_text(_POD)
        manifest.chmod(0o600)
        self.machine.add_service("etcd", "/usr/local/bin/etcd --data-dir=/var/lib/etcd --unsafe-no-fsync")
        self.sync()

    def sync(self) -> bool:
        """Restart the pod if the manifest has changed, as kubelet does. Returns whether it has."""
        text = (self.machine.root / MANIFEST.lstrip("/")).read_text()
        changed = text != self._running
        if changed:
            self._run_pod(yaml.safe_load(text)["spec"])
            self._running = text
        return changed

    def restart(self) -> None:
        """Restart the pod."""
        self._running = ""
        self.sync()

    def _run_pod(self, spec: dict[str, Any]) -> None:
        (container,) = spec["containers"]
        assert spec["hostNetwork"] is True
        options = [f"RootDirectory={_IMAGE}", "MountAPIVFS=yes"]
        # kubelet mounts these for a pod in the host's network.
        options += [f"BindReadOnlyPaths=/etc/{name}" for name in ("hosts", "resolv.conf")]
        volumes = {volume["name"]: volume["hostPath"] for volume in spec["volumes"]}
        for mount in container["volumeMounts"]:
            source = volumes[mount["name"]]
            kind = "BindReadOnlyPaths" if mount.get("readOnly") else "BindPaths"
            options.append(f"{kind}={source['path']}:{mount['mountPath']}")
        program, *arguments = [*container["command"], *container.get("args", [])]
        self.machine.add_service("kube-apiserver", shlex.join([f"/usr/local/bin/{program}", *arguments]), options)
        self.machine.run(
            f"""
            for _ in $(seq 150); do
              if kubectl --kubeconfig {ADMIN} get --raw=/readyz >/dev/null 2>&1; then exit 0; fi
              if systemctl is-failed --quiet kube-apiserver; then break; fi
              sleep 1
            done
            journalctl -u kube-apiserver -n 20 -o cat
            exit 1
            """
        )

    def write_kubeconfig(self) -> None:
        """Write root's kubeconfig with the cluster only, as cluster administrators distribute it."""
        authority = (self.machine.root / _PKI / "ca.crt").read_bytes()
        _write_kubeconfig(self.machine.root / "root/.kube/config", authority, None)


def _write_pki(folder: Path, admin: Path) -> None:
    folder.mkdir(parents=True)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.crt"))
    server = authority.issue_cert("127.0.0.1", "localhost", "kubernetes")
    (folder / "apiserver.crt").write_bytes(b"".join(pem.bytes() for pem in server.cert_chain_pems))
    (folder / "apiserver.key").write_bytes(server.private_key_pem.bytes())
    signer = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = serialization.PrivateFormat.PKCS8
    (folder / "sa.key").write_bytes(
        signer.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption())
    )
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    (folder / "sa.pub").write_bytes(signer.public_key().public_bytes(serialization.Encoding.PEM, public))
    person = authority.issue_cert("admin", common_name="admin", organization_name="system:masters")
    pair = {
        "client-certificate-data": b"".join(pem.bytes() for pem in person.cert_chain_pems),
        "client-key-data": person.private_key_pem.bytes(),
    }
    user = {name: base64.b64encode(pem).decode() for name, pem in pair.items()}
    _write_kubeconfig(admin, (folder / "ca.crt").read_bytes(), user)


def _write_kubeconfig(path: Path, authority: bytes, user: dict[str, Any] | None) -> None:
    cluster = {"server": _URL, "certificate-authority-data": base64.b64encode(authority).decode()}
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": _NAME, "cluster": cluster}],
    }
    if user is not None:
        config |= {
            "users": [{"name": "admin", "user": user}],
            "contexts": [{"name": "admin", "context": {"cluster": _NAME, "user": "admin"}}],
            "current-context": "admin",
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config))
    path.chmod(0o600)
