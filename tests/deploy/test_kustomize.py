from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from authd.config import backends
from authd.config.load import load_settings
from authd.core.errors import ConfigError
from authd.partition_data import load_partitions
from tests.deploy.pod_security import violations

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kustomize"
OVERLAYS = sorted(path.name for path in (FOLDER / "overlays").iterdir())
#: The webhook needs the host network, its ports, and probes on its loopback. The state stays on the node.
ALLOWED = {"hostNetwork", "authd: hostPort", "authd: probe host", "hostPath state"}


def pod(objects):
    return objects["DaemonSet"]["spec"]["template"]["spec"]


def test_the_base_equals_the_example(kustomize):
    """The base has the objects of example.yaml except the sample role binding."""
    example = {entry["kind"]: entry for entry in yaml.safe_load_all((ROOT / "example.yaml").read_text())}
    base = kustomize("base")
    del example["ClusterRoleBinding"]
    assert base.keys() == example.keys()
    assert yaml.safe_load(base["ConfigMap"].pop("data")["config.yaml"]) == yaml.safe_load(
        example["ConfigMap"].pop("data")["config.yaml"]
    )
    assert base == example


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_settings(overlay, kustomize):
    """Each overlay's settings load without a warning, and leave the kubeconfig to `authd init`."""
    text = kustomize(f"overlays/{overlay}")["ConfigMap"]["data"]["config.yaml"]
    try:
        loaded = load_settings(text.encode(), file="config.yaml", partitions=load_partitions())
    except ConfigError:
        if "EKSConfigMap" in text and "EKSConfigMap" not in getattr(backends, "BUILT", ()):
            pytest.skip("this version has no backend EKSConfigMap")
        raise
    assert loaded.warnings == ()
    assert loaded.settings.kubeconfig_pregenerated


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_names_and_images(overlay, kustomize):
    """The ConfigMap keeps its name, so that the daemon reloads it, and all containers have the same image."""
    objects = kustomize(f"overlays/{overlay}")
    assert objects["ConfigMap"]["metadata"]["name"] == "authd"
    spec = pod(objects)
    assert len({each["image"] for each in [*spec.get("initContainers", ()), *spec["containers"]]}) == 1


@pytest.mark.parametrize("overlay", ["restricted", "kops"])
def test_pod_security(overlay, kustomize):
    """Without the init container the pod is `restricted` except for the host network and one hostPath."""
    assert set(violations(pod(kustomize(f"overlays/{overlay}")))) == ALLOWED


def test_pod_security_of_the_base(kustomize):
    """Only the init container has further privileges."""
    found = set(violations(pod(kustomize("base"))))
    assert found - ALLOWED == {"hostPath kubeconfig", "init: root", "init: capabilities"}


def test_permissions_for_aws_auth(kustomize):
    """The daemon may read one ConfigMap only, and only this overlay gives it a token."""
    objects = kustomize("overlays/aws-auth")
    (rule,) = objects["Role"]["rules"]
    assert rule == {
        "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["aws-auth"], "verbs": ["get", "list", "watch"],
    }  # fmt: skip
    assert objects["RoleBinding"]["subjects"] == [{"kind": "ServiceAccount", "name": "authd", "namespace": "authd"}]
    assert pod(objects)["automountServiceAccountToken"] is True
    assert pod(kustomize("base"))["automountServiceAccountToken"] is False


def test_kubeadm(kustomize):
    """The configuration of kubeadm names the kubeconfig that the init container writes on the node."""
    configuration = yaml.safe_load((FOLDER / "overlays/kubeadm/kubeadm.yaml").read_text())
    flags = {each["name"]: each["value"] for each in configuration["apiServer"]["extraArgs"]}
    (volume,) = configuration["apiServer"]["extraVolumes"]
    paths = {each["name"]: each for each in pod(kustomize("overlays/kubeadm"))["volumes"]}
    assert volume["hostPath"] == paths["kubeconfig"]["hostPath"]["path"]
    kubeconfig = flags["authentication-token-webhook-config-file"]
    assert Path(kubeconfig).parent == Path(volume["mountPath"])
    assert flags["authentication-token-webhook-version"] == "v1"
