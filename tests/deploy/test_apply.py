"""A real kube-apiserver takes every manifest: the chart's and each kustomization's."""

from __future__ import annotations

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
    kubeconfig = folder / "webhook.yaml"  # kube-apiserver does not start without it, and nothing listens there
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
    """Assert that the server takes every object as it is, without an unknown field."""
    ended = kubectl("apply", "--server-side", "--dry-run=server", "--validate=true", "-f", "-", text=text)
    assert ended.returncode == 0, ended.stderr
    assert all("node-role.kubernetes.io/master" in line for line in ended.stderr.splitlines())


@pytest.mark.parametrize("overlay", ["base", *(f"overlays/{name}" for name in OVERLAYS)])
def test_kustomizations(kubectl, kustomize, overlay):
    """The server takes the base and each overlay."""
    accepted(kubectl, yaml.safe_dump_all(kustomize(overlay).values()))


@pytest.mark.parametrize("values", [{}, {"awsAuth": {"enabled": True}}, {"init": {"enabled": False}}])
def test_chart(kubectl, helm, tmp_path, values):
    """The server takes the chart's objects."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump({**VALUES, **values}))
    rendered = helm("template", "authd", str(CHART), "--namespace", "authd", "--values", str(file))
    accepted(kubectl, rendered.stdout)


def test_unknown_fields_are_noticed(kubectl, kustomize):
    """The server refuses a field that Kubernetes does not know."""
    objects = kustomize("base")
    objects["DaemonSet"]["spec"]["template"]["spec"]["hostNetwrok"] = True
    ended = kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", text=yaml.safe_dump_all(objects.values()))
    assert ended.returncode == 1
    assert "hostNetwrok" in ended.stderr
