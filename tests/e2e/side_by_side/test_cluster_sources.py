"""aws-iam-authenticator and authd return the same user for mappings in a real cluster: aws-auth, custom resources."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from authd.state.kubeconfig import webhook_kubeconfig
from authd.state.x509 import new_ca
from tests.e2e.rig.assets import find_assets
from tests.e2e.rig.control_plane import ControlPlane
from tests.e2e.side_by_side.pair import Company, both
from tests.e2e.side_by_side.sources import NAMES, NAMES_OF_RESOURCES, config_map, custom_resources, other_settings
from tests.integration.rig.polling import wait_until

ASSETS = find_assets()
if ASSETS is None:
    pytest.skip("kube-apiserver, etcd or kubectl is missing; `make e2e` builds them", allow_module_level=True)

MANIFESTS = Path(__file__).parents[3] / "deploy" / "kubernetes"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RESOURCES = "/apis/iamauthenticator.k8s.aws/v1alpha1/iamidentitymappings"
CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Run an API server with the custom resource's definition. Its webhook is not used."""
    assert ASSETS is not None
    folder = tmp_path_factory.mktemp("cluster")
    webhook = folder / "webhook.yaml"
    authority_pem = new_ca("nobody", datetime.now(UTC)).certificate_pem
    webhook.write_bytes(webhook_kubeconfig(host="localhost", port=1, authority_pem=authority_pem))
    with ControlPlane(folder, ASSETS, webhook, "v1") as cluster:
        definition = yaml.safe_load((MANIFESTS / "crd.yaml").read_text("utf-8"))
        assert cluster.request("POST", DEFINITIONS, definition)[0] == 201
        wait_until(lambda: cluster.request("GET", RESOURCES)[0] == 200, "the custom resource to be served")
        yield cluster


@pytest.mark.parametrize("name", NAMES)
def test_both_read_aws_auth(name: str, cluster: ControlPlane, company: Company, tmp_path: Path) -> None:
    """Name, groups, UID and extra are the same for every caller, except for the documented differences."""
    cluster.request("DELETE", f"{CONFIG_MAPS}/aws-auth")
    status, answer = cluster.request("POST", CONFIG_MAPS, config_map(name))
    assert status == 201, answer
    settings = other_settings(name, "EKSConfigMap", kubeconfig=str(cluster.admin_kubeconfig()))
    with both(company, tmp_path, settings) as pair:
        pair.check_soon("EKSConfigMap", name)


@pytest.mark.parametrize("name", NAMES_OF_RESOURCES)
def test_both_read_custom_resources(name: str, cluster: ControlPlane, company: Company, tmp_path: Path) -> None:
    """Name, groups, UID and extra are the same for every caller, except for the documented differences."""
    cluster.request("DELETE", RESOURCES)
    for resource in custom_resources(name):
        status, answer = cluster.request("POST", RESOURCES, resource)
        assert status == 201, answer
    settings = other_settings(name, "CRD", kubeconfig=str(cluster.admin_kubeconfig()))
    with both(company, tmp_path, settings) as pair:
        pair.check_soon("CRD", name)
