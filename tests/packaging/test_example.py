from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from authd.config.load import load_settings
from authd.config.settings import Settings
from authd.partition_data import load_partitions
from authd.state.kubeconfig import webhook_kubeconfig
from authd.state.x509 import new_ca
from tests.e2e.rig.assets import find_assets
from tests.e2e.rig.control_plane import ControlPlane

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "example.yaml"
LABELS = {"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"}


@pytest.fixture(scope="module")
def objects():
    return {entry["kind"]: entry for entry in yaml.safe_load_all(EXAMPLE.read_text())}


@pytest.fixture(scope="module")
def pod(objects):
    return objects["DaemonSet"]["spec"]["template"]["spec"]


def test_its_settings(objects):
    """The settings in the ConfigMap load without a warning, and the first container writes the kubeconfig."""
    text = objects["ConfigMap"]["data"]["config.yaml"].encode()
    loaded = load_settings(text, file="config.yaml", partitions=load_partitions())
    assert loaded.warnings == ()
    assert loaded.settings.kubeconfig_pregenerated
    assert len(loaded.table) == 3


def test_scheduling(pod):
    """The pods run on control-plane nodes with either label, and tolerate their taints."""
    terms = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert {expression["key"] for term in terms for expression in term["matchExpressions"]} == LABELS
    assert {toleration["key"] for toleration in pod["tolerations"]} >= LABELS
    assert pod["hostNetwork"] is True


def test_privileges(pod):
    """The daemon's container is unprivileged, can write only its state, and has no token for the API server."""
    (container,) = pod["containers"]
    security = container["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] > 0
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}
    assert mounts == {"/etc/authd": True, Settings(cluster_id="c").state_dir: False}
    assert all("subPath" not in mount for mount in container["volumeMounts"])


def test_the_first_container(pod):
    """The root container has only the capabilities that it needs to change the owner of files to the daemon's user."""
    (container,) = pod["initContainers"]
    assert set(container["securityContext"]["capabilities"]["add"]) == {"CHOWN", "DAC_OVERRIDE", "FOWNER"}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    user = pod["containers"][0]["securityContext"]["runAsUser"]
    assert f"chown -R {user}:{user} /var/lib/authd" in container["args"][0]
    kubeconfig = Path(Settings(cluster_id="c").generate_kubeconfig)
    assert str(kubeconfig.parent) in [mount["mountPath"] for mount in container["volumeMounts"]]


def test_probes(pod):
    """The kubelet's probes use the health port of the settings."""
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    settings = Settings(cluster_id="c")
    assert ports == {"webhook": settings.port, "health": settings.health_port}
    probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert all((probe["host"], probe["port"]) == ("127.0.0.1", "health") for probe in probes.values())
    assert [probe["path"] for probe in probes.values()] == ["/livez", "/livez", "/readyz"]


def test_the_image_s_user(pod):
    """The DaemonSet names the image's own user."""
    user = pod["containers"][0]["securityContext"]["runAsUser"]
    assert f"\nUSER {user}:{user}\n" in (ROOT / "Containerfile").read_text()


@pytest.mark.skipif(
    find_assets() is None, reason="needs kube-apiserver, etcd and kubectl in KUBEBUILDER_ASSETS or PATH"
)
def test_it_applies(tmp_path):
    """A real kube-apiserver accepts the example, and applying it again changes nothing."""
    assets = find_assets()
    kubeconfig = tmp_path / "webhook.yaml"  # required by the API server at its start. Nothing listens there
    authority = new_ca("nobody", datetime.now(UTC))
    kubeconfig.write_bytes(webhook_kubeconfig(host="localhost", port=1, authority_pem=authority.certificate_pem))
    with ControlPlane(tmp_path, assets, kubeconfig, "v1") as cluster:
        command = [
            assets.kubectls[0], "--kubeconfig=/dev/null", f"--cache-dir={tmp_path / 'cache'}", f"--server={cluster.url}",
            f"--certificate-authority={cluster.ca_file}", f"--client-certificate={tmp_path / 'admin.crt'}",
            f"--client-key={tmp_path / 'admin.key'}", "apply", "-f", str(EXAMPLE),
        ]  # fmt: skip
        for outcome in ("created", "unchanged"):
            ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            assert ended.returncode == 0, ended.stderr
            # Newer servers warn about the node label of Kubernetes up to 1.23.
            assert all("node-role.kubernetes.io/master" in line for line in ended.stderr.splitlines())
            assert {line.split()[-1] for line in ended.stdout.splitlines()} == {outcome}
