"""A real kube-apiserver accepts the objects of the chart and of each kustomization."""

from __future__ import annotations

import copy
import re
import subprocess
from datetime import UTC, datetime

import pytest
import yaml

from authd.state.kubeconfig import webhook_kubeconfig
from authd.state.x509 import new_ca
from tests.deploy.test_helm import CHART, VALUES
from tests.deploy.test_kustomize import OVERLAYS
from tests.e2e.rig.assets import find_assets
from tests.e2e.rig.control_plane import ControlPlane

pytestmark = pytest.mark.skipif(
    find_assets() is None, reason="needs kube-apiserver, etcd and kubectl in KUBEBUILDER_ASSETS or PATH"
)


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory):
    """Return a function that runs kubectl as a cluster's administrator."""
    folder, assets = tmp_path_factory.mktemp("cluster"), find_assets()
    kubeconfig = folder / "webhook.yaml"  # required by kube-apiserver at its start. Nothing listens there
    authority = new_ca("nobody", datetime.now(UTC))
    kubeconfig.write_bytes(webhook_kubeconfig(host="localhost", port=1, authority_pem=authority.certificate_pem))
    with ControlPlane(folder, assets, kubeconfig, "v1") as cluster:
        common = (
            assets.kubectls[0], "--kubeconfig=/dev/null", f"--cache-dir={folder / 'cache'}", f"--server={cluster.url}",
            f"--certificate-authority={cluster.ca_file}", f"--client-certificate={folder / 'admin.crt'}",
            f"--client-key={folder / 'admin.key'}",
        )  # fmt: skip

        def run(*arguments, text=None):
            return subprocess.run(
                [*common, *arguments], input=text, capture_output=True, text=True, timeout=120, check=False
            )

        assert run("create", "namespace", "authd").returncode == 0
        yield run


def accepted(kubectl, text):
    """Assert that the server accepts every object without an unknown field."""
    ended = kubectl("apply", "--server-side", "--dry-run=server", "--validate=true", "-f", "-", text=text)
    assert ended.returncode == 0, ended.stderr
    assert all("node-role.kubernetes.io/master" in line for line in ended.stderr.splitlines())


@pytest.mark.parametrize("overlay", ["base", *(f"overlays/{name}" for name in OVERLAYS)])
def test_kustomizations(kubectl, kustomize, overlay):
    """The server accepts the base and each overlay."""
    accepted(kubectl, yaml.safe_dump_all(kustomize(overlay).values()))


@pytest.mark.parametrize("values", [{}, {"awsAuth": {"enabled": True}}, {"init": {"enabled": False}}])
def test_chart(kubectl, helm, tmp_path, values):
    """The server accepts the chart's objects."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump({**VALUES, **values}))
    rendered = helm("template", "authd", str(CHART), "--namespace", "authd", "--values", str(file))
    assert rendered.returncode == 0, rendered.stderr
    accepted(kubectl, rendered.stdout)


def pod_of(objects, namespace):
    """Return the DaemonSet's pod as the controller would create it."""
    template = objects["DaemonSet"]["spec"]["template"]
    metadata = {**template["metadata"], "name": "authd", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


@pytest.fixture(scope="module")
def create_pod(kubectl):
    """Return a function that tries to create a pod in a namespace with a level of PodSecurity."""

    def create(objects, level):
        namespace = f"security-{level}"
        label = {"pod-security.kubernetes.io/enforce": level, "pod-security.kubernetes.io/enforce-version": "latest"}
        metadata = {"name": namespace, "labels": label}
        account = {"kind": "ServiceAccount", "metadata": {"name": "authd", "namespace": namespace}}
        for needed in ({"kind": "Namespace", "metadata": metadata}, account):
            ended = kubectl("apply", "--server-side", "-f", "-", text=yaml.safe_dump({"apiVersion": "v1", **needed}))
            assert ended.returncode == 0, ended.stderr
        text = yaml.safe_dump(pod_of(objects, namespace))
        return kubectl("create", "--dry-run=server", "-f", "-", text=text)

    return create


def without_exceptions(objects):
    """Return the objects without host network, its ports and probes, and the folder of the node."""
    changed = copy.deepcopy(objects)
    pod = changed["DaemonSet"]["spec"]["template"]["spec"]
    del pod["hostNetwork"]
    for container in pod["containers"]:
        container["ports"] = [
            {"name": each["name"], "containerPort": each["containerPort"]} for each in container["ports"]
        ]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            del container[probe]["httpGet"]["host"]
    (state,) = (volume for volume in pod["volumes"] if volume["name"] == "state")
    del state["hostPath"]
    state["emptyDir"] = {}
    return changed


def assert_restricted_with_exceptions(create_pod, objects):
    """Assert that the server refuses host network, its ports and probes and one hostPath, and nothing else."""
    refused = create_pod(objects, "restricted")
    assert refused.returncode == 1
    violations = refused.stderr.partition('violates PodSecurity "restricted:latest": ')[2]
    found = re.findall(r"(?:^|, )(\w[\w ]*?) \(", violations)
    assert found == ["host namespaces", "hostPort", "probe or lifecycle host", "restricted volume types"], violations
    assert 'volume "state" uses restricted volume type "hostPath"' in violations
    admitted = create_pod(without_exceptions(objects), "restricted")
    assert admitted.returncode == 0, admitted.stderr


@pytest.mark.parametrize("overlay", ["restricted", "kops"])
def test_pod_security_of_overlays(kubectl, create_pod, kustomize, overlay):
    """Without the init container, host network and one hostPath are the only exceptions from `restricted`."""
    assert_restricted_with_exceptions(create_pod, kustomize(f"overlays/{overlay}"))


def test_pod_security_of_the_chart(kubectl, create_pod, helm, tmp_path):
    """The same holds for the chart."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump({**VALUES, "init": {"enabled": False}}))
    rendered = helm("template", "authd", str(CHART), "--namespace", "authd", "--values", str(file))
    objects = {each["kind"]: each for each in yaml.safe_load_all(rendered.stdout) if each}
    assert_restricted_with_exceptions(create_pod, objects)


@pytest.mark.parametrize("overlay", ["base", *(f"overlays/{name}" for name in OVERLAYS)])
def test_the_label_of_the_namespace(create_pod, kustomize, overlay):
    """The level in the namespace's labels admits the pod of the base and of each overlay."""
    objects = kustomize(overlay)
    level = objects["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    admitted = create_pod(objects, level)
    assert admitted.returncode == 0, admitted.stderr


def test_unknown_fields_are_refused(kubectl, kustomize):
    """The server refuses a field that Kubernetes does not know."""
    objects = kustomize("base")
    objects["DaemonSet"]["spec"]["template"]["spec"]["hostNetwrok"] = True
    ended = kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", text=yaml.safe_dump_all(objects.values()))
    assert ended.returncode == 1
    assert "hostNetwrok" in ended.stderr
