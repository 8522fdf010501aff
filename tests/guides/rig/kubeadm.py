"""A control plane with kubeadm's certificates, manifest and flags. The rig reads the manifest in place of kubelet."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.rig.assets import Assets
from tests.e2e.rig.control_plane import ControlPlane

_API = "kubeadm.k8s.io/v1beta4"


class KubeadmControlPlane(ControlPlane):
    """A control plane by kubeadm. `manifest` is kube-apiserver's static pod. Call `start` after changing it."""

    def __init__(self, folder: Path, assets: Assets, kubeadm: str, version: str, manifest: Path) -> None:
        super().__init__(folder, assets, Path("unused"), "v1")
        self._kubeadm = kubeadm
        self._version = version
        self.manifest = manifest

    def write_manifest(self, apiserver: dict[str, Any] | None = None) -> None:
        """Write the manifest by kubeadm, with `apiServer` of a ClusterConfiguration."""
        dry = self.made_manifest.parent
        dry.mkdir(exist_ok=True)
        self._run("control-plane", "apiserver", "--dry-run", apiserver=apiserver, KUBEADM_INIT_DRYRUN_DIR=str(dry))
        self.manifest.write_bytes(self.made_manifest.read_bytes())

    @property
    def made_manifest(self) -> Path:
        """The unchanged manifest by kubeadm."""
        return self.folder / "dry-run" / "kube-apiserver.yaml"

    def _make_certificates(self) -> None:
        self.ca_file = self.folder / "pki" / "ca.crt"

    def make_certificates(self) -> None:
        """Create certificates and the administrator's kubeconfig by kubeadm."""
        self._run("certs", "all")
        self._run("kubeconfig", "super-admin", "--kubeconfig-dir", str(self.folder))
        (user,) = yaml.safe_load((self.folder / "super-admin.conf").read_text())["users"]
        for name, key in (("admin.crt", "client-certificate-data"), ("admin.key", "client-key-data")):
            (self.folder / name).write_bytes(base64.b64decode(user["user"][key]))

    def _run(self, *phase: str, apiserver: dict[str, Any] | None = None, **environment: str) -> None:
        config = self.folder / "kubeadm.yaml"
        config.write_text(yaml.safe_dump_all(self._configuration(apiserver or {})))
        done = subprocess.run(
            [self._kubeadm, "init", "phase", *phase, "--config", str(config)],
            env={**os.environ, **environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def _configuration(self, apiserver: dict[str, Any]) -> list[dict[str, Any]]:
        init = {
            "apiVersion": _API,
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": "192.0.2.1", "bindPort": self.port},
            "nodeRegistration": {"name": "node", "criSocket": "unix:///run/containerd/containerd.sock"},
        }
        cluster = {
            "apiVersion": _API,
            "kind": "ClusterConfiguration",
            "kubernetesVersion": self._version,
            "certificatesDir": str(self.folder / "pki"),
            "etcd": {"external": {"endpoints": [f"http://127.0.0.1:{self._client}"]}},
            "apiServer": {"certSANs": ["127.0.0.1", "localhost"], **apiserver},
        }
        return [init, cluster]

    def _apiserver(self) -> list[str]:
        """Return the command of the manifest, on loopback. Checks that its files are mounted."""
        pod = yaml.safe_load(self.manifest.read_text())
        (container,) = pod["spec"]["containers"]
        check_mounts(pod, container["command"])
        return [
            self.assets.apiserver, *container["command"][1:], "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
            "--authentication-token-webhook-cache-ttl=0s",
        ]  # fmt: skip


def check_mounts(pod: dict[str, Any], command: list[str]) -> None:
    """Assert that the path in the webhook's flag is mounted from the same path on the host."""
    name = "--authentication-token-webhook-config-file="
    for flag in command:
        if flag.startswith(name):
            file = Path(flag.removeprefix(name))
            (container,) = pod["spec"]["containers"]
            mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
            volumes = {volume["name"]: volume["hostPath"]["path"] for volume in pod["spec"]["volumes"]}
            place = next((str(path) for path in (file, *file.parents) if str(path) in mounts), None)
            assert place is not None, f"{file} is not mounted into kube-apiserver"
            assert volumes[mounts[place]].rstrip("/") == place


def new_control_plane(folder: Path, assets: Assets, kubeadm: str, version: str, manifest: Path) -> KubeadmControlPlane:
    """Return a control plane with its certificates, and a manifest without a webhook."""
    folder.mkdir()
    made = KubeadmControlPlane(folder, assets, kubeadm, version, manifest)
    made.make_certificates()
    made.write_manifest()
    return made
